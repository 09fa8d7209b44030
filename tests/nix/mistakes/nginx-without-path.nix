# Must be refused with: nginx reaches the hold by a Unix socket
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
    listen.streams = [ "127.0.0.1:8080" ];
  };
}
