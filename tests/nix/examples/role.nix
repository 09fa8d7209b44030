# A bucket that the machine may use by its role: no keys.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.s3.bucket = "layers";
    listen.group = "caddy";
  };
  users.groups.caddy = { };
}
