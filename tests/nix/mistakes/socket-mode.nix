# Must be refused with: 0[0-7]{3}
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.mode = "rw";
  };
}
