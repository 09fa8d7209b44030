# The bucket is the machine's by its role, and the store has a name: for both the hold asks link-local addresses, as in a cloud.
{ lib, pkgs, ... }:
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
      endpoint = "http://store.example.net:3900";
      forcePathStyle = true;
    };
  };
  # So that the hold asks the name server itself, from inside its sandbox.
  services.nscd.enable = false;
  system.nssModules = lib.mkForce [ ];

  environment.systemPackages = [
    pkgs.iproute2
    pkgs.python3
  ];
}
