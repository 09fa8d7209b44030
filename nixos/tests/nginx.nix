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
    # All that it may compress.
    extraConfig = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;";
  };
  environment.systemPackages = [
    pkgs.iproute2
    pkgs.openssl
    pkgs.python3
  ];
}
