# Must be refused with: size like 50 GB or 512 MiB
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    tiers.bosun.quota = "50 apples";
  };
}
