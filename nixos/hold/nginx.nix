# nginx before the hold: TLS outside, the hold's Unix socket inside. It knows of the hold only its options.
{ config, lib, ... }:
let
  cfg = config.services.atcr-hold;
  facts = import ../common/facts.nix;
  host = lib.removePrefix "https://" cfg.url;
  paths = builtins.filter (lib.hasPrefix "/") cfg.listen.streams;
  blobs = cfg.storage.filesystem.path or null;
in
{
  config = lib.mkIf (cfg.enable && cfg.nginx.enable) {
    assertions = [
      {
        assertion = paths != [ ];
        message = "services.atcr-hold.nginx.enable: nginx reaches the hold by a Unix socket; add a path to services.atcr-hold.listen.streams.";
      }
      {
        assertion = cfg.nginx.sendBlobs -> blobs != null && !facts.isInState blobs;
        message = "services.atcr-hold.nginx.sendBlobs: nginx may not enter /var/lib/atcr-hold; set services.atcr-hold.storage.filesystem.path to a directory elsewhere.";
      }
    ];

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [
      80
      443
    ];

    services.nginx.enable = true;
    # Each request takes two, the client's and the hold's: for 1,024 of them, and as many clients that wait.
    services.nginx.eventsConfig = lib.mkDefault "worker_connections 4096;";
    services.nginx.appendConfig = lib.mkDefault "worker_rlimit_nofile 8192;";
    services.nginx.commonHttpConfig = ''
      # One client: an address, or of IPv6 what one customer of a provider has, a /64.
      map $remote_addr $atcr_hold_client {
        "~^(?<atcr_hold_network>[0-9a-f]+(:[0-9a-f]+){0,3}):" $atcr_hold_network;
        default $remote_addr;
      }
      # 80,000 clients at once, of 128 bytes each.
      limit_conn_zone $atcr_hold_client zone=atcr_hold:10m;
    '';
    services.nginx.virtualHosts.${host} = {
      forceSSL = true;
      enableACME = cfg.nginx.acme;
      locations."/" = {
        proxyPass = "http://unix:${builtins.head paths}:";
        # The firehose is a WebSocket. This also speaks HTTP/1.1 to the hold, which parts need too.
        proxyWebsockets = true;
        # The headers below are all that the hold reads.
        recommendedProxySettings = false;
        extraConfig = ''
          # A layer may be as large as the hold allows, and goes through as it comes.
          client_max_body_size 0;
          proxy_request_buffering off;
          proxy_buffering off;
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $remote_addr;
          # A firehose may be silent, and a disk slow, for longer than nginx would wait by itself.
          proxy_read_timeout 1h;
          proxy_send_timeout 10m;
          client_body_timeout 60s;
          # Requests under way of one client; each is a connection to the hold, which cannot tell nginx's connections apart.
          # Requests a second the hold counts itself, by the header above.
          limit_conn atcr_hold ${toString cfg.nginx.requestsPerClient};
          limit_conn_status 429;
        '';
      };
      locations."/.blobs/" = lib.mkIf cfg.nginx.sendBlobs {
        alias = "${toString blobs}/";
        extraConfig = ''
          # Only the hold may send requests here, by X-Accel-Redirect, after it has seen that the caller may read.
          internal;
          # What the hold said of the blob, which nginx would drop.
          etag off;
          add_header ETag $upstream_http_etag;
          add_header Docker-Content-Digest $upstream_http_docker_content_digest;
          add_header Content-Security-Policy $upstream_http_content_security_policy;
          add_header X-Content-Type-Options $upstream_http_x_content_type_options;
          add_header X-Request-Id $upstream_http_x_request_id;
          add_header Access-Control-Allow-Origin $upstream_http_access_control_allow_origin;
          add_header Access-Control-Expose-Headers $upstream_http_access_control_expose_headers;
        '';
      };
    };
  };
}
