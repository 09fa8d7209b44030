# What the registry's service has beside what every daemon has (common/daemon.nix): it follows its own hold, and one key.
# This file must not know what the options mean to the daemon (settings.nix), nor nginx.
{ config, lib, ... }:
let
  cfg = config.services.atcr-appview;
in
{
  config = lib.mkIf cfg.enable {
    services.atcr-appview.settings = import ./settings.nix { inherit lib cfg; };

    systemd.services.atcr-appview = {
      # No option is followed without a restart.
      restartTriggers = [ config.environment.etc."atcr-appview/config.toml".source ];
      serviceConfig = {
        Type = "notify";
        LoadCredential = lib.optional (cfg.authKeyFile != null) "ATCR_AUTH_KEY:${cfg.authKeyFile}";
      };
    };
  };
}
