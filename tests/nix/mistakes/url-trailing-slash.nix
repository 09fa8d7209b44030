# Must be refused with: URL like https://hold.example.org, lower case, without a port, a path or a trailing slash
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org/";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
  };
}
