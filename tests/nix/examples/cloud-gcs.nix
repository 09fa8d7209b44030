# A bucket of Google's; the module takes a package that can use it.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.gcs = {
      bucket = "layers";
      prefix = "hold";
      serviceAccountFile = "/run/keys/google.json";
    };
  };
}
