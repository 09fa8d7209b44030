# Must be refused with: count, at least 1
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
    nginx.requestsPerClient = 0;
  };
}
