# Must be refused with: systemd cannot listen on "localhost:8080"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.streams = [ "localhost:8080" ];
  };
}
