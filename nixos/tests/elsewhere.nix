# Blobs on a directory of the operator's choice, so a static user; metrics at an address that the network has not brought yet.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold.storage.filesystem.path = "/srv/blobs";
  services.atcr-hold.metrics.enable = true;
  services.atcr-hold.metrics.listen = "192.0.2.7:9464";
}
