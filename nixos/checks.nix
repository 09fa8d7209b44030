# What `nix flake check` proves beside the package: lints, formatting, tests, the options reference, machines that boot.
{
  pkgs,
  package,
  module,
}:
let
  inherit (pkgs) lib;

  # The package's sources and tests under another command; what it leaves behind is nothing but success.
  cargo =
    name: tools: command:
    (package.override { withTests = true; }).overrideAttrs (old: {
      pname = "atcr-hold-${name}";
      nativeBuildInputs = old.nativeBuildInputs ++ tools;
      buildPhase = command;
      installPhase = "touch $out";
      dontFixup = true;
    });

  nixFiles = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.fileFilter (file: file.hasExt "nix") ../.;
  };

  reference =
    name: file:
    import ./reference.nix {
      inherit lib name;
      options.services.${name} = (lib.evalModules { modules = [ file ]; }).options.services.${name};
    };

  # One file a test; each is { nodes, … }, its script beside it in Python, after what all scripts share.
  names = map (lib.removeSuffix ".nix") (
    builtins.filter (lib.hasSuffix ".nix") (builtins.attrNames (builtins.readDir ./tests))
  );
  machine =
    name:
    pkgs.testers.runNixOSTest {
      name = "atcr-hold-${name}";
      nodes.machine.imports = [
        module
        (./tests + "/${name}.nix")
      ];
      testScript =
        builtins.readFile ./tests/common/script.py + builtins.readFile (./tests + "/${name}.py");
    };
in
{
  clippy = cargo "clippy" [
    pkgs.clippy
  ] "cargo clippy --locked --offline --all-targets -- -D warnings";
  fmt = cargo "fmt" [ pkgs.rustfmt ] "cargo fmt --check";
  # Without certificates nothing that calls out starts; prlimit is what some tests bound a process with.
  tests = cargo "tests" [ pkgs.util-linux ] ''
    export SSL_CERT_FILE=${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt
    cargo test --locked --offline
  '';
  nix = pkgs.runCommand "atcr-hold-nix" { } ''
    ${lib.getExe pkgs.nixfmt} --check $(find ${nixFiles} -name '*.nix')
    ${lib.getExe pkgs.deadnix} --fail ${nixFiles}
    touch $out
  '';
  options = pkgs.runCommand "atcr-hold-options" { } ''
    diff ${./hold/options.md} ${pkgs.writeText "hold.md" (reference "atcr-hold" ./hold/options.nix)}
    diff ${./appview/options.md} ${pkgs.writeText "appview.md" (reference "atcr-appview" ./appview/options.nix)}
    touch $out
  '';
}
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux (lib.genAttrs names machine)
