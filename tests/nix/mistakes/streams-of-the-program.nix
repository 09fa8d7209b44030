# Must be refused with: services.atcr-hold.listen.streams: systemd cannot listen on ":8080"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.streams = [ ":8080" ];
  };
}
