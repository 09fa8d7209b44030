# Must be refused with: URL like https://hold.example.org
{
  services.atcr-hold = {
    enable = true;
    url = "http://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
  };
}
