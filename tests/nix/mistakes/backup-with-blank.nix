# Must be refused with: services.atcr-hold.backup.directory: "/srv/my backup" stands in a command of systemd
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    backup.enable = true;
    backup.directory = "/srv/my backup";
  };
}
