# Must be refused with: URL like https://hold.example.org
{
  services.atcr-appview = {
    enable = true;
    url = "https://registry.example.org/";
  };
}
