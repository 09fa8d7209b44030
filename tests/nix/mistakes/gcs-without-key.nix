# Must be refused with: services.atcr-hold.storage.gcs.serviceAccountFile'
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.gcs.bucket = "layers";
  };
}
