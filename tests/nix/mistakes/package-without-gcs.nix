# Must be refused with: services.atcr-hold.storage.gcs: services.atcr-hold.package was built without it
{ pkgs, ... }:
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    package = pkgs.curl // {
      withGcs = false;
    };
    storage.gcs = {
      bucket = "layers";
      prefix = "hold";
      serviceAccountFile = "/run/keys/google.json";
    };
  };
}
