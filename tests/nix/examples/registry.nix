# A whole registry on one machine: a hold and the front end, each on a host name of its own.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
    metrics.enable = true;
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    allowedAccounts = [ "alice.example.org" ];
    authKeyFile = "/run/keys/appview-auth-key";
    environmentFile = "/run/keys/registry.env";
    nginx.enable = true;
    nginx.requestsPerClient = 128;
    openFirewall = true;
  };
}
