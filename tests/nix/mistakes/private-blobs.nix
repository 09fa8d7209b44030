# Must be refused with: /var/lib/private is systemd's own
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.filesystem.path = "/var/lib/private/atcr-hold/blobs";
  };
}
