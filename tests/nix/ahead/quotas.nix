# Quotas: the hold has none yet.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    crew."did:web:alice.example.org" = {
      permissions = [ "blob:write" ];
      tier = "bosun";
    };
    tiers.bosun.quota = "50 GB";
  };
}
