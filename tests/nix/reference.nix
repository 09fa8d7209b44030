# The options reference that nixos/hold/options.md must equal.
{
  libPath ? ./lib,
}:
let
  lib = import libPath;
  evaluated = lib.evalModules {
    modules = [ ../../nixos/hold/options.nix ];
  };
in
import ../../nixos/reference.nix {
  inherit lib;
  options.services.atcr-hold = evaluated.options.services.atcr-hold;
}
