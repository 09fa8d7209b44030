# The registry. On a machine that you have already this file is all that it takes.
{
  services.atcr-hold.enable = true;
  services.atcr-hold.url = "https://hold.example.org"; # its address; it makes the DID, so choose it for good
  services.atcr-hold.owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"; # your DID
  services.atcr-hold.nginx.enable = true; # TLS, by ACME
  services.atcr-hold.openFirewall = true;
  services.atcr-hold.relays = [ "bsky.network" ]; # so that the network sees it

  services.atcr-appview.enable = true; # leave it out, and other registries use the hold
  services.atcr-appview.url = "https://registry.example.org"; # docker push registry.example.org/you.example.org/app
  services.atcr-appview.nginx.enable = true;

  security.acme.acceptTerms = true;
  security.acme.defaults.email = "admin@example.org";
}
