# The bucket is the machine's by its role, and the store has a name: for both the hold asks link-local addresses, as in a cloud.
{ lib, pkgs, ... }:
{
  imports = [
    ./common/machine.nix
    ./common/garage.nix
  ];
  services.atcr-hold.storage.s3.endpoint = "http://store.example.net:3900";
  # So that the hold asks the name server itself, from inside its sandbox.
  services.nscd.enable = false;
  system.nssModules = lib.mkForce [ ];

  environment.systemPackages = [
    pkgs.iproute2
    pkgs.python3
  ];
}
