# Must be refused with: services.atcr-hold.nginx.enable: http://localhost:8080 is for this machine alone
{
  services.atcr-hold = {
    enable = true;
    url = "http://localhost:8080";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
  };
}
