# Must be refused with: services.atcr-hold.backup.directory: copies beside the original are lost with it
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    backup.enable = true;
    backup.directory = "/var/lib/atcr-hold/backup";
  };
}
