# Must be refused with: services.atcr-appview.nginx.enable: nginx reaches the registry by a Unix socket
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    nginx.enable = true;
    listen.streams = [ "127.0.0.1:5000" ];
  };
}
