# A front end whose accounts have holds elsewhere, started by the first connection.
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    defaultHold = "did:web:hold.example.net";
    startAtBoot = false;
    listen.streams = [ "127.0.0.1:5000" ];
    settings.server.trusted_proxies = [ "127.0.0.1" ];
  };
}
