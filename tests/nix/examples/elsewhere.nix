# Blobs on another disk, so a static user; a certificate of one's own; started by the first connection.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:web:alice.example.org";
    storage.filesystem.path = "/srv/blobs";
    listen.streams = [
      "/run/atcr-hold.sock"
      "127.0.0.1:8080"
    ];
    listen.mode = "0666";
    startAtBoot = false;
    environmentFile = "/run/keys/hold.env";
    nginx.enable = true;
    nginx.acme = false;
    profile.displayName = "The harbour";
    profile.description = "Layers of our own images.";
    settings.limits.uploads_total = 256;
    settings.region = null;
  };
  services.nginx.virtualHosts."hold.example.org" = {
    sslCertificate = "/run/tls/cert.pem";
    sslCertificateKey = "/run/tls/key.pem";
  };
}
