# Must be refused with: the service does not see /home
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.filesystem.path = "/home/alice/blobs";
  };
}
