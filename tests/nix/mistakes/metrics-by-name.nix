# Must be refused with: services.atcr-hold.metrics.listen: systemd cannot listen on "localhost:9464"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    metrics.enable = true;
    metrics.listen = "localhost:9464";
  };
}
