# A container of Azure's, by the key of its account.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.azure = {
      account = "harbour";
      container = "layers";
      accessKeyFile = "/run/keys/azure-access-key";
      endpoint = "https://blobs.example.org";
    };
  };
}
