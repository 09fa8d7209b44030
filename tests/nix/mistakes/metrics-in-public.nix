# Must be refused with: metrics are not for the public
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.streams = [ "127.0.0.1:9464" ];
    metrics.enable = true;
  };
}
