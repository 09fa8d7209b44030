# The daemon, from its sources and the lock file alone.
{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
  # For the checks, which need the tests and their settings beside the sources.
  withTests ? false,
}:
let
  workspace = lib.importTOML ../Cargo.toml;
  manifest = lib.importTOML ../src/hold/Cargo.toml;
in
rustPlatform.buildRustPackage {
  pname = manifest.package.name;
  inherit (workspace.workspace.package) version;

  # Nothing else can change the result, so nothing else may cause a build.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions (
      [
        ../Cargo.toml
        ../Cargo.lock
        ../src
        # What `systemd-units` prints.
        ./units
        # The manifests name these.
        ../tests/appview.rs
        ../tests/architecture.rs
        ../tests/atproto.rs
        ../tests/hold.rs
        ../tests/server.rs
      ]
      ++ lib.optionals withTests [
        ../tests/appview
        ../tests/atproto
        ../tests/bench
        ../tests/hold
        ../tests/server
        ../tests/support
        ../tests/s3/tls.py
        ./metrics
        ./hold/options.md
        ./hold/live-options.json
        ../.clippy.toml
        ../.rustfmt.toml
      ]
    );
  };
  cargoLock.lockFile = ../Cargo.lock;

  # The tests are a check of their own (checks.nix): whoever installs the hold need not wait for them.
  doCheck = false;

  # The program makes its own man pages and completions, where it can be run.
  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    mkdir man
    $out/bin/atcr-hold man-pages man
    installManPage man/*
    for shell in bash zsh fish; do
      $out/bin/atcr-hold completions $shell > atcr-hold.$shell
    done
    installShellCompletion --cmd atcr-hold --bash atcr-hold.bash --zsh atcr-hold.zsh --fish atcr-hold.fish
  '';

  meta = {
    inherit (manifest.package) description;
    license = lib.licenses.mit;
    mainProgram = "atcr-hold";
    platforms = lib.platforms.unix;
  };
}
