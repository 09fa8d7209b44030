# Must be refused with: services.atcr-hold.storage.azure.accessKeyFile
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.azure = {
      account = "harbour";
      container = "layers";
      accessKeyFile = "bm90IGEgcGF0aA==";
    };
  };
}
