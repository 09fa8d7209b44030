# Must be refused with: accessKeyIdFile and secretAccessKeyFile belong together
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.s3 = {
      bucket = "layers";
      accessKeyIdFile = "/run/keys/id";
    };
  };
}
