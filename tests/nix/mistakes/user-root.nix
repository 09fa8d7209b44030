# Must be refused with: services.atcr-hold.user: there is no user "root" that a service may run as
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    user = "root";
  };
}
