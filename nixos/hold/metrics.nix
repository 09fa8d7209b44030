# Metrics: a socket of their own, and the Prometheus of this machine. It knows of the hold only its options.
{ config, lib, ... }:
let
  cfg = config.services.atcr-hold;
  inherit (cfg.metrics) listen;
in
{
  config = lib.mkIf (cfg.enable && cfg.metrics.enable) {
    assertions = [
      {
        assertion = cfg.metrics.scrape -> !(lib.hasPrefix "/" listen);
        message = "services.atcr-hold.metrics.scrape: Prometheus scrapes addresses, not paths; set services.atcr-hold.metrics.listen to one like 127.0.0.1:9464.";
      }
      {
        assertion = cfg.metrics.scrape -> config.services.prometheus.enable;
        message = "services.atcr-hold.metrics.scrape: there is no Prometheus on this machine; set services.prometheus.enable = true, or leave it to one elsewhere.";
      }
      {
        assertion = !(builtins.elem listen cfg.listen.streams);
        message = "services.atcr-hold.metrics.listen: metrics are not for the public; use another address than those of services.atcr-hold.listen.streams.";
      }
    ];

    systemd.sockets.atcr-hold-metrics = {
      description = "Socket for the metrics of the ATCR hold";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ listen ];
      socketConfig = {
        Service = "atcr-hold.service";
        FileDescriptorName = "metrics";
        SocketMode = "0660";
      }
      // (import ../common/facts.nix).lastingSocket;
    };

    services.prometheus = lib.mkIf cfg.metrics.scrape {
      scrapeConfigs = [
        {
          # The alerts ask for this name.
          job_name = "atcr-hold";
          static_configs = [ { targets = [ listen ]; } ];
        }
      ];
      ruleFiles = [ ../metrics/alerts.yml ];
    };
  };
}
