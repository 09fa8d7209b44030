# Both daemons as users that stay: one that is made, one that is declared.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    user = "media";
    storage.filesystem.path = "/srv/blobs";
    nginx.enable = true;
    nginx.sendBlobs = true;
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    user = "atcr-appview";
  };
  fileSystems."/var/lib/atcr-appview".device = "/dev/disk/by-label/registry";
  users.users.media = {
    isSystemUser = true;
    group = "media";
  };
  users.groups.media = { };
}
