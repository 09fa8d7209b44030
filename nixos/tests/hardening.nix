# What the hold may not do, and that it never wants to.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  environment.systemPackages = [
    pkgs.iproute2
    pkgs.python3
  ];
}
