# Copies of the database by the timer's service, for a group to read; and the state under a user that stays.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  environment.systemPackages = [ pkgs.restic ];
  users.groups.archive = { };
  services.atcr-hold = {
    metrics.enable = true;
    backup = {
      enable = true;
      directory = "/srv/backup/hold";
      schedule = "2099-01-01"; # none by itself, whatever time of day it is
      keep = 2;
      group = "archive";
      keys = true;
    };
  };
  system.switch.enable = true;
  specialisation.fixed.configuration.services.atcr-hold.user = "atcr-hold";
}
