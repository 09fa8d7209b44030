# What every test's machine has: a hold, and a directory of accounts as did:plc knows it, out of files.
{ pkgs, ... }:
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:captainaaaaaaaaaaaaaaaaa";
    settings.test_mode = true;
    settings.identity.plc_url = "http://127.0.0.1:2582";
  };

  systemd.services.plc = {
    description = "Directory of accounts";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      StateDirectory = "plc";
      ExecStart = "${pkgs.python3}/bin/python3 -m http.server --bind 127.0.0.1 --directory /var/lib/plc 2582";
    };
  };

  environment.systemPackages = [ pkgs.curl ];
}
