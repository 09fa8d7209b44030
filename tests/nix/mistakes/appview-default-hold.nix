# Must be refused with: DID like did:plc:
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    defaultHold = "https://hold.example.org";
  };
}
