# The NixOS module: services.atcr-appview. It takes the flake, for the package that was tested with it.
self:
{ lib, pkgs, ... }:
{
  imports = [
    ./options.nix
    ./service.nix
    ./nginx.nix
    (import ../common/daemon.nix {
      name = "atcr-appview";
      title = "registry";
    })
  ];

  services.atcr-appview.package =
    lib.mkDefault
      self.packages.${pkgs.stdenv.hostPlatform.system}.default;
}
