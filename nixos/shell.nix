# The shell of `nix develop`: what builds the programs, and what the tests call.
{
  mkShell,
  clippy,
  deadnix,
  nixfmt,
  nodejs,
  rustfmt,
  shellcheck,
  package,
}:
mkShell {
  inputsFrom = [ package ];
  packages = [
    clippy
    rustfmt
    nixfmt
    deadnix
    nodejs
    shellcheck
  ];
}
