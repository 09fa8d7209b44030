# Must be refused with: services.atcr-hold.crew."did:plc:alice": this is no DID that can be resolved
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    crew."did:plc:alice".permissions = [ "blob:read" ];
  };
}
