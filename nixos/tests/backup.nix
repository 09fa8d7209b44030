# Copies of the database by the timer's service, for a group to read.
{
  imports = [ ./common/machine.nix ];
  users.groups.archive = { };
  services.atcr-hold = {
    metrics.enable = true;
    backup = {
      enable = true;
      directory = "/srv/backup/hold";
      keep = 2;
      group = "archive";
      keys = true;
    };
  };
}
