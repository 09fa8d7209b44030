# Must be refused with: non-empty (list of (one of
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    crew."did:web:alice.example.org".permissions = [ ];
  };
}
