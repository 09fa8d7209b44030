# Must be refused with: an address that only this machine reaches
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.streams = [ "127.0.0.1:8080" ];
    openFirewall = true;
  };
}
