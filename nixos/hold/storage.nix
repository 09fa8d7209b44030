# The options of the two kinds of storage, and how a secret is named.
{ lib }:
let
  inherit (lib) mkOption types;
  secretFile = import ../common/secret.nix { inherit lib; };
in
{
  filesystem.options.path = mkOption {
    type = types.pathWith {
      absolute = true;
      inStore = false;
    };
    default = "/var/lib/atcr-hold/blobs";
    example = "/srv/blobs";
    description = ''
      Directory of the blobs, made when it is missing. Outside of `/var/lib/atcr-hold` the hold runs as a user that
      stays (`user`), which must own it.
    '';
  };

  s3.options = {
    bucket = mkOption {
      type = types.str;
      example = "layers";
      description = "The bucket; it must exist.";
    };
    region = mkOption {
      type = types.str;
      default = "us-east-1";
      example = "garage";
      description = "Region that requests are signed for.";
    };
    endpoint = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://s3.example.org";
      description = "URL of the service; `null` is Amazon's own. Registry clients must reach it too.";
    };
    forcePathStyle = mkOption {
      type = types.nullOr types.bool;
      default = null;
      example = true;
      description = "Whether the bucket goes into the path of the URL instead of its host; `null` leaves it to the hold.";
    };
    prefix = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "hold";
      description = "Put before every key, so that a bucket can be shared.";
    };
    pullZone = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://layers.example.net";
      description = "Public URL of a content network before the bucket: download URLs get its host.";
    };
    accessKeyIdFile = secretFile {
      example = "/run/keys/s3-access-key-id";
      description = ''
        File with the access key id, read by systemd as root at each start. `null`: the keys are in `environmentFile`, or
        the machine has a role, for which the hold may then ask the cloud's metadata service.
      '';
    };
    secretAccessKeyFile = secretFile {
      example = "/run/keys/s3-secret-access-key";
      description = "File with the secret access key, read by systemd as root at each start.";
    };
  };
}
