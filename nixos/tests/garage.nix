# Blobs on Garage.
{
  imports = [
    ./common/machine.nix
    ./common/garage.nix
  ];
  services.atcr-hold.storage.s3 = {
    endpoint = "http://127.0.0.1:3900";
    prefix = "hold";
    accessKeyIdFile = "/run/keys/s3-access-key-id";
    secretAccessKeyFile = "/run/keys/s3-secret-access-key";
  };
}
