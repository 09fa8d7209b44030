# Must be refused with: [01][0-9]
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    gc.schedule = "daily";
  };
}
