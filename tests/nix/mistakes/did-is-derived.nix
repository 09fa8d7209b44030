# Must be refused with: read-only
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    did = "did:web:other.example.org";
  };
}
