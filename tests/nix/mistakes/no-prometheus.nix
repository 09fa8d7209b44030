# Must be refused with: there is no Prometheus on this machine
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    metrics.enable = true;
    metrics.scrape = true;
  };
}
