# The machine of `nix run .#vm`.
{
  imports = [ ../../../nixos/vm.nix ];
}
