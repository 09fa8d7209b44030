# Must be refused with: days, at least 1
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    gc.graceDays = 0;
  };
}
