# Must be refused with: services.atcr-appview.listen.group: there is no group "caddy"
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    listen.group = "caddy";
  };
}
