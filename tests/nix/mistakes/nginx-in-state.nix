# Must be refused with: nginx may not enter /var/lib/atcr-hold
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    nginx.enable = true;
    nginx.sendBlobs = true;
  };
}
