# Blobs on a directory of the operator's choice, so a static user.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold.storage.filesystem.path = "/srv/blobs";
}
