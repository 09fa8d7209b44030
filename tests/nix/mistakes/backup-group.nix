# Must be refused with: services.atcr-hold.backup.group: there is no group "archive"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    backup.enable = true;
    backup.group = "archive";
  };
}
