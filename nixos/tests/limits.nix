# The bounds on memory, tasks and files: that they are there, and that the hold lives within much less.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  environment.systemPackages = [ pkgs.python3 ];
}
