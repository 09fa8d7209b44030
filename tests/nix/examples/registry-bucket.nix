# A registry with its bucket: parts go through the hold beside it, which reads no upload back.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.s3 = {
      bucket = "layers";
      endpoint = "https://s3.example.org";
      accessKeyIdFile = "/run/keys/s3-access-key-id";
      secretAccessKeyFile = "/run/keys/s3-secret-access-key";
    };
    nginx.enable = true;
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    nginx.enable = true;
  };
}
