# What the registry's service has beside what every daemon has (common/daemon.nix): what a reload follows, and one key.
# This file must not know what the options mean to the daemon (settings.nix), nor nginx.
{ config, lib, ... }:
let
  cfg = config.services.atcr-appview;
  fixedAtStart = import ../common/fixed.nix {
    inherit lib;
    liveOptions = ./live-options.json;
  };
in
{
  config = lib.mkIf cfg.enable {
    services.atcr-appview.settings = import ./settings.nix { inherit lib cfg; };

    systemd.services.atcr-appview = {
      # Changes of live options are followed without a restart.
      reloadTriggers = [ config.environment.etc."atcr-appview/config.toml".source ];
      restartTriggers = [ (builtins.toJSON (fixedAtStart cfg.settings)) ];
      serviceConfig.LoadCredential = lib.optional (
        cfg.authKeyFile != null
      ) "ATCR_AUTH_KEY:${cfg.authKeyFile}";
    };

    services.prometheus.ruleFiles = lib.mkIf (cfg.metrics.enable && cfg.metrics.scrape) [
      ../metrics/appview-alerts.yml
    ];
  };
}
