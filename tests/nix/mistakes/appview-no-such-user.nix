# Must be refused with: services.atcr-appview.user: there is no user "media"
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org";
    user = "media";
  };
}
