# Must be refused with: services.atcr-hold.storage.filesystem.path: "/srv/my blobs" stands in files of systemd
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.filesystem.path = "/srv/my blobs";
  };
}
