# Must be refused with: "blob:read", "blob:write", "crew:admin"
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    crew."did:web:alice.example.org".permissions = [ "blob:delete" ];
  };
}
