# Must be refused with: absolute path not in the Nix store
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    signingKeyFile = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-key";
  };
}
