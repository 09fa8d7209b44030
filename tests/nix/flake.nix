# The flake's outputs, without Nix's own fetching: nixpkgs is the library at hand and a set of packages that build nothing.
{
  libPath ? ./lib,
}:
let
  # Which files become a source is for a newer Nix to say; here, that they exist.
  lib = import libPath // {
    fileset = {
      unions = map (
        path: if builtins.pathExists path then path else throw "There is no ${toString path}."
      );
      fileFilter = _: path: [ path ];
      toSource =
        { fileset, ... }:
        builtins.deepSeq fileset {
          outPath = "/nowhere";
          files = map toString fileset;
        };
    };
  };
  flake = import ../../flake.nix;
  # A package is the arguments that would make it.
  derivation =
    arguments:
    arguments
    // {
      outPath = "/nowhere";
      type = "derivation";
      # An output is a package, too.
      credential = arguments;
    };
  stub = name: derivation { inherit name; };
  packages =
    system:
    let
      pkgs = {
        inherit lib;
        stdenv.hostPlatform = {
          inherit system;
          isLinux = builtins.match ".*-linux" system != null;
        };
        stdenv.buildPlatform.canExecute = _: true;
        installShellFiles = stub "install-shell-files";
        callPackage =
          file: arguments:
          let
            function = import file;
            call =
              more:
              function (builtins.intersectAttrs (builtins.functionArgs function) pkgs // arguments // more)
              // {
                override = call;
              };
          in
          call { };
        rustPlatform.buildRustPackage =
          arguments:
          derivation arguments
          // {
            overrideAttrs =
              change: derivation (arguments // change (arguments // { nativeBuildInputs = [ ]; }));
          };
        dockerTools.streamLayeredImage = derivation;
        mkShell = derivation;
        runCommand =
          name: _: script:
          derivation { inherit name script; };
        writeText = name: text: derivation { inherit name text; };
        testers.runNixOSTest = derivation;
        cacert = stub "cacert";
        util-linux = stub "util-linux";
        clippy = stub "clippy";
        rustfmt = stub "rustfmt";
        nixfmt = stub "nixfmt" // {
          meta.mainProgram = "nixfmt";
        };
        nixfmt-tree = stub "nixfmt-tree";
        deadnix = stub "deadnix" // {
          meta.mainProgram = "deadnix";
        };
        nodejs = stub "nodejs";
        shellcheck = stub "shellcheck";
      };
    in
    pkgs;
  self = outputs;
  outputs = flake.outputs {
    inherit self;
    nixpkgs = {
      # Which modules the try-out machine has; the tests' own machine takes the place of NixOS.
      lib = lib // {
        nixosSystem =
          { modules, ... }:
          {
            config.system.build.vm = derivation {
              name = "vm";
              inherit modules;
            };
          };
      };
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] packages;
    };
  };
  linux = outputs.checks.x86_64-linux;
in
{
  inherit (outputs.packages.x86_64-linux.default) pname version src;
  # What the checks of the sources are given, for those who run them without Nix's own building.
  inherit (linux.clippy.src) files;
  mainPrograms = map (package: package.meta.mainProgram) [
    outputs.packages.x86_64-linux.default
    outputs.packages.aarch64-darwin.docker-credential-atcr
  ];
  systems = builtins.mapAttrs (_: builtins.attrNames) outputs.packages;
  checks = builtins.mapAttrs (_: check: check.name or check.pname) linux;
  scripts = lib.filterAttrs (_: check: check != null) (
    builtins.mapAttrs (
      _: check:
      if check ? testScript then builtins.stringLength check.testScript else check.script or null
    ) linux
  );
  shells = builtins.mapAttrs (
    _: shell: map (package: package.name) shell.default.packages
  ) outputs.devShells;
  formatters = builtins.mapAttrs (_: package: package.name) outputs.formatter;
  overlay = (outputs.overlays.default (packages "x86_64-linux") { }).atcr-hold.pname;
  images = map (image: { inherit (image) name tag config; }) [
    outputs.packages.x86_64-linux.image
    outputs.packages.x86_64-linux.appview-image
  ];
  modules = builtins.mapAttrs (
    _: module: builtins.isFunction module || module ? imports
  ) outputs.nixosModules;
  # The package's proofs are the flake's own.
  proofs = builtins.attrNames outputs.packages.x86_64-linux.default.passthru.tests;
  template = builtins.attrNames (builtins.readDir outputs.templates.default.path);
  apps = builtins.mapAttrs (_: app: app.type) outputs.apps.x86_64-linux;
}
