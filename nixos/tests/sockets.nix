# Switches that change the sockets: another stream, another group, nginx and metrics on and off.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  system.switch.enable = true;
  users.groups.caddy = { };
  environment.systemPackages = [ pkgs.openssl ];
  specialisation = {
    stream.configuration.services.atcr-hold.listen.streams = [ "127.0.0.1:8081" ];
    group.configuration.services.atcr-hold.listen.group = "caddy";
    proxy.configuration = {
      services.atcr-hold.nginx = {
        enable = true;
        acme = false;
      };
      services.nginx.virtualHosts."hold.example.org" = {
        sslCertificate = "/run/tls/cert.pem";
        sslCertificateKey = "/run/tls/key.pem";
      };
    };
    watched.configuration.services.atcr-hold.metrics.enable = true;
    rate.configuration.services.atcr-hold.settings.limits.requests_per_address = 400;
  };
}
