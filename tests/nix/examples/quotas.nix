# Quotas: two tiers, and the one that new members are in.
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
    tiers.deckhand.quota = "512 MiB";
    newCrewTier = "deckhand";
    appviews = [ "did:web:atcr.io" ];
    blueskyPosts = true;
  };
}
