# Must be refused with: there is no group "layers"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    listen.group = "layers";
  };
}
