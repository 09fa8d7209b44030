# The options of the kinds of storage, and how a secret is named.
{ lib }:
let
  inherit (lib) mkOption types;
  secretFile = import ../common/secret.nix { inherit lib; };
  # On the target machine.
  place = types.pathWith {
    absolute = true;
    inStore = false;
  };
  # One without which there is nothing.
  requiredSecretFile = arguments: mkOption ({ type = place; } // arguments);
  endpoint =
    example:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit example;
      description = "URL of the service; `null` is the provider's own.";
    };
  prefix = mkOption {
    type = types.nullOr types.str;
    default = null;
    example = "hold";
    description = "Put before every key, so that a bucket can be shared.";
  };
  presigned = mkOption {
    type = types.nullOr (
      types.enum [
        "all"
        "downloads"
        "none"
      ]
    );
    default = null;
    example = "downloads";
    description = ''
      What goes past the hold: `"all"`, `"downloads"` (parts pass through it, and no upload is read back) or `"none"`.
      `null` is `"downloads"` where the front end runs on this machine and neither an `environmentFile` nor
      `disable_presigned_urls` in `settings` may say otherwise, else `"all"`.
    '';
  };
in
{
  filesystem.options.path = mkOption {
    type = place;
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
      description = ''
        URL of the service; `null` is Amazon's own. Registry clients must reach it too, unless `publicEndpoint` is set.
      '';
    };
    publicEndpoint = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://s3.example.org";
      description = "URL of the service as clients reach it, for presigned URLs; `null` is `endpoint`.";
    };
    forcePathStyle = mkOption {
      type = types.nullOr types.bool;
      default = null;
      example = true;
      description = "Whether the bucket goes into the path of the URL instead of its host; `null` leaves it to the hold.";
    };
    inherit prefix presigned;
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

  gcs.options = {
    bucket = mkOption {
      type = types.str;
      example = "layers";
      description = "The bucket; it must exist.";
    };
    serviceAccountFile = requiredSecretFile {
      example = "/run/keys/google.json";
      description = ''
        File with the JSON key of a service account that has the role Storage Object User on the bucket, read by systemd as
        root at each start.
      '';
    };
    endpoint = endpoint "https://storage.example.org";
    inherit prefix presigned;
  };

  azure.options = {
    account = mkOption {
      type = types.str;
      example = "harbour";
      description = "The storage account; it must exist.";
    };
    container = mkOption {
      type = types.str;
      example = "layers";
      description = "The container; it must exist.";
    };
    accessKeyFile = requiredSecretFile {
      example = "/run/keys/azure-access-key";
      description = "File with one of the account's two keys, in base64, read by systemd as root at each start.";
    };
    endpoint = endpoint "https://blobs.example.org";
    inherit prefix presigned;
  };
}
