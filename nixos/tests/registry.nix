# A whole registry on one machine: a hold, the front end, nginx before both, a PDS that is played, and a client.
{ pkgs, ... }:
let
  tls = {
    sslCertificate = "/run/tls/cert.pem";
    sslCertificateKey = "/run/tls/key.pem";
  };
in
{
  imports = [ ./common/machine.nix ];
  # An address of the loopback device that is public: the registry asks holds at no other.
  networking.hosts."11.0.0.1" = [
    "hold.example.org"
    "registry.example.org"
  ];

  services.atcr-hold = {
    public = true;
    crew."did:plc:aliceaaaaaaaaaaaaaaaaaaa".permissions = [ "blob:write" ];
    nginx.enable = true;
    nginx.acme = false;
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    startAtBoot = false;
    metrics.enable = true;
    backup.enable = true;
    nginx.enable = true;
    nginx.acme = false;
    settings.test_mode = true;
    settings.identity = {
      plc_url = "http://127.0.0.1:2582";
      handle_resolver_url = "http://127.0.0.1:2583";
    };
  };
  system.switch.enable = true;
  specialisation.closed.configuration.services.atcr-appview.allowedAccounts = [ "bob.example.org" ];
  services.nginx.virtualHosts."hold.example.org" = tls;
  services.nginx.virtualHosts."registry.example.org" = tls;
  # The authority that the script makes.
  systemd.services.atcr-appview.environment.SSL_CERT_FILE = "/run/tls/ca.pem";

  environment.etc."pds.py".text =
    builtins.readFile ./common/script.py + builtins.readFile ./common/pds.py;
  systemd.services.pds = {
    description = "PDS of the test's accounts";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 /etc/pds.py";
  };
  environment.systemPackages = [
    pkgs.iproute2
    pkgs.openssl
    pkgs.skopeo
  ];
}
