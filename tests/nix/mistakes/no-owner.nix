# Must be refused with: services.atcr-hold.owner' was accessed but has no value defined
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
  };
}
