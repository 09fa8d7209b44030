{
  services.atcr-hold.enable = true;
  services.atcr-hold.url = "https://hold.example.org"; # its address; it makes the DID, so choose it for good
  services.atcr-hold.owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"; # your DID
  services.atcr-hold.nginx.enable = true; # TLS, by ACME
  services.atcr-hold.openFirewall = true;
  security.acme.acceptTerms = true;
  security.acme.defaults.email = "admin@example.org";
}
