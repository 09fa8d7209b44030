# Must be refused with: there is no tier "bosun"; declare it as services.atcr-hold.tiers."bosun".quota
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    crew."did:web:alice.example.org" = {
      permissions = [ "blob:read" ];
      tier = "bosun";
    };
  };
}
