# The NixOS module: services.atcr-hold. It takes the flake, for the package that was tested with it.
self:
{ lib, pkgs, ... }:
{
  imports = [
    ./options.nix
    ./service.nix
    ./metrics.nix
    ./nginx.nix
  ];

  services.atcr-hold.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
}
