# Must be refused with: services.atcr-hold.user: a directory of blobs outside of /var/lib/atcr-hold
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    user = null;
    storage.filesystem.path = "/srv/blobs";
  };
}
