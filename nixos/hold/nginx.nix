# nginx before the hold: which paths are its own, and blobs that nginx sends itself.
{ config, lib, ... }:
let
  cfg = config.services.atcr-hold;
  facts = import ../common/facts.nix;
  host = lib.removePrefix "https://" cfg.url;
  blobs = cfg.storage.filesystem.path or null;

  # On a host name that it shares with the registry front end, the rest is the front end's.
  isShared =
    config:
    let
      other = config.services.atcr-appview or { };
    in
    (other.enable or false) && other.nginx.enable && other.url == config.services.atcr-hold.url;
in
{
  imports = [
    (import ../common/proxy.nix {
      name = "atcr-hold";
      title = "hold";
      zone = "atcr_hold";
      locations =
        config:
        if isShared config then
          [
            "/xrpc/"
            "/blobs/"
            "= /.well-known/did.json"
            "= /.well-known/atproto-did"
          ]
        else
          [ "/" ];
    })
  ];

  config = lib.mkIf (cfg.enable && cfg.nginx.enable && cfg.nginx.sendBlobs) {
    assertions = [
      {
        assertion = blobs != null && !facts.isInState blobs;
        message = "services.atcr-hold.nginx.sendBlobs: nginx may not enter /var/lib/atcr-hold; set services.atcr-hold.storage.filesystem.path to a directory elsewhere.";
      }
    ];

    services.nginx.virtualHosts.${host}.locations."/.blobs/" = {
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
}
