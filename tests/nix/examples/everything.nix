# A hold on S3 behind nginx, with every option that has no other example.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    did = "did:plc:z72i7hdynmk6r22z27h6tvur";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    public = true;
    allowAllCrew = true;
    successor = "did:web:next.example.org";
    mutableCrew = false;
    crew."did:web:alice.example.org" = {
      role = "maintainer";
      permissions = [
        "blob:write"
        "crew:admin"
      ];
    };
    relays = [ "bsky.network" ];
    storage.s3 = {
      bucket = "layers";
      region = "garage";
      endpoint = "http://127.0.0.1:3900";
      publicEndpoint = "https://s3.example.org";
      forcePathStyle = true;
      prefix = "hold";
      presigned = "all";
      pullZone = "https://layers.example.net";
      accessKeyIdFile = "/run/keys/s3-access-key-id";
      secretAccessKeyFile = "/run/keys/s3-secret-access-key";
    };
    gc = {
      enable = true;
      schedule = "6h";
      graceDays = 7;
    };
    signingKeyFile = "/run/keys/hold-signing-key";
    metrics.enable = true;
    metrics.scrape = true;
    openFirewall = true;
    nginx.enable = true;
    settings.log_level = "info,atcr_hold=debug";
  };
  services.prometheus.enable = true;
}
