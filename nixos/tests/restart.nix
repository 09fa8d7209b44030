# An upgrade is a restart: what clients see of a hundred of them.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold = {
    listen.streams = [
      "/run/atcr-hold.sock"
      "127.0.0.1:8080"
    ];
    # A client that tries again may leave a session behind at each restart.
    settings.limits.uploads_per_account = 1000;
  };
  environment.systemPackages = [ pkgs.python3 ];
}
