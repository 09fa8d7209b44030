# The same on one host name: the front end has what is not the hold's.
{
  services.atcr-hold = {
    enable = true;
    url = "https://registry.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
  };
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    nginx.enable = true;
    nginx.acme = false;
  };
  services.nginx.virtualHosts."registry.example.org".useACMEHost = "example.org";
}
