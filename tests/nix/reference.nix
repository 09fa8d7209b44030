# The options reference of a program, atcr-hold or atcr-appview, that nixos/*/options.md must equal.
{
  libPath ? ./lib,
  name,
}:
let
  lib = import libPath;
  file = ../../nixos + "/${lib.removePrefix "atcr-" name}/options.nix";
  evaluated = lib.evalModules { modules = [ file ]; };
in
import ../../nixos/reference.nix {
  inherit lib name;
  options.services.${name} = evaluated.options.services.${name};
}
