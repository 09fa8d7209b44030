# The sandbox, from inside: what the hold needs works, what it does not need is refused.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  environment.systemPackages = [
    pkgs.iproute2
    pkgs.util-linux
  ];
}
