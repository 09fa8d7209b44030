# The NixOS module: services.atcr-hold. It takes the flake, for the package that was tested with it.
self:
{ lib, pkgs, ... }:
{
  imports = [
    ./options.nix
    ./service.nix
    ./nginx.nix
    (import ../common/daemon.nix {
      name = "atcr-hold";
      title = "hold";
      unknownSecrets = "AWS_ACCESS_KEY_ID=unknown AWS_SECRET_ACCESS_KEY=unknown";
    })
  ];

  services.atcr-hold.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
}
