# Must be refused with: DID like did:plc:ewvi7nxzyoun6zhxrhs64oiz or did:web:example.org
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "alice.example.org";
  };
}
