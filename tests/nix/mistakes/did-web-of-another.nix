# Must be refused with: services.atcr-hold.did: it is a did:plc, or follows from services.atcr-hold.url
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    did = "did:web:other.example.org";
  };
}
