# Must be refused with: Prometheus scrapes addresses with a port, neither paths nor ports alone
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    metrics.enable = true;
    metrics.listen = "9464";
    metrics.scrape = true;
  };
}
