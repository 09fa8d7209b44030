# nginx sends the bytes of blobs: the hold says only where they are, to who may read them.
{
  imports = [ ./nginx.nix ];
  services.atcr-hold = {
    storage.filesystem.path = "/srv/blobs";
    nginx.sendBlobs = true;
  };
}
