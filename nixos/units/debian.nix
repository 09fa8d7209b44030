# The machine whose units `systemd-units` of either program gives to people without Nix: nginx, and blobs in the state
# directory. `bash tests/nix.sh --write` makes the units beside this file of it. What else the machine has, the manual's page
# on Debian says.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.group = "www-data";
    backup.enable = true;
    backup.directory = "/var/backups/atcr-hold";
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    listen.group = "www-data";
    backup.enable = true;
    backup.directory = "/var/backups/atcr-appview";
  };
}
