# Blobs on Garage.
{
  imports = [
    ./common/machine.nix
    ./common/garage.nix
  ];
  services.atcr-hold = {
    startAtBoot = false;
    storage.s3 = {
      bucket = "layers";
      region = "garage";
      endpoint = "http://127.0.0.1:3900";
      forcePathStyle = true;
      prefix = "hold";
      accessKeyIdFile = "/run/keys/s3-access-key-id";
      secretAccessKeyFile = "/run/keys/s3-secret-access-key";
    };
  };
}
