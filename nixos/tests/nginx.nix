# TLS before the hold, with a certificate made on the machine.
{ pkgs, ... }:
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold.nginx = {
    enable = true;
    acme = false;
  };
  services.nginx.virtualHosts."hold.example.org" = {
    sslCertificate = "/run/tls/cert.pem";
    sslCertificateKey = "/run/tls/key.pem";
  };
  environment.systemPackages = [ pkgs.openssl ];
}
