# nginx before a daemon of ours: TLS outside, the daemon's Unix socket inside. A module, made for a program whose options
# are those of options.nix, `enable` and `url`. It knows of the daemon only these.
{
  name,
  title,
  # The limit of its own, as nginx.nix makes it.
  zone,
  # Which paths of the host are its own, given the machine's configuration.
  locations,
}:
{ config, lib, ... }:
let
  cfg = config.services.${name};
  paths = builtins.filter (lib.hasPrefix "/") cfg.listen.streams;
  location = {
    proxyPass = "http://unix:${builtins.head paths}:";
    # The firehose is a WebSocket. This also speaks HTTP/1.1 to the daemon, which parts need too.
    proxyWebsockets = true;
    # The headers below are all that the daemon reads.
    recommendedProxySettings = false;
    extraConfig = ''
      # A layer may be as large as the daemon allows, and goes through as it comes. Of its own long answers the daemon says
      # that they are to (X-Accel-Buffering).
      client_max_body_size 0;
      proxy_request_buffering off;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      # A firehose may be silent, and a disk slow, for longer than nginx would wait by itself.
      proxy_read_timeout 1h;
      proxy_send_timeout 10m;
      client_body_timeout 60s;
      # Requests under way of one client; each is a connection to the daemon, which cannot tell nginx's connections apart.
      # Requests a second the daemon counts itself, by the header above.
      limit_conn ${zone} ${toString cfg.nginx.requestsPerClient};
      limit_conn_status 429;
    '';
  };
in
{
  imports = [ ./nginx.nix ];

  config = lib.mkIf (cfg.enable && cfg.nginx.enable) {
    assertions = [
      {
        assertion = lib.hasPrefix "https://" cfg.url;
        message = "services.${name}.nginx.enable: ${cfg.url} is for this machine alone, without TLS; set services.${name}.url to an https:// one.";
      }
      {
        assertion = paths != [ ];
        message = "services.${name}.nginx.enable: nginx reaches the ${title} by a Unix socket; add a path to services.${name}.listen.streams.";
      }
    ];

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [
      80
      443
    ];

    services.nginx.virtualHosts.${lib.removePrefix "https://" cfg.url} = {
      forceSSL = lib.mkDefault true;
      enableACME = lib.mkDefault cfg.nginx.acme;
      locations = lib.genAttrs (locations config) (_: location);
    };
  };
}
