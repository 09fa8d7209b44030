# Must be refused with: The option `services.atcr-hold.pubic' does not exist
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    pubic = true;
  };
}
