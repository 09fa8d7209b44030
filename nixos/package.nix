# All programs, from their sources and the lock file alone.
{
  lib,
  rustPlatform,
  installShellFiles,
  stdenv,
  # Blobs in Google's or Azure's storage, beside directories and S3.
  withGcs ? false,
  withAzure ? false,
  # What proves the package: the flake's checks.
  tests ? { },
  # For the checks, which need the tests and their settings beside the sources.
  withTests ? false,
}:
let
  workspace = lib.importTOML ../Cargo.toml;
  manifest = lib.importTOML ../src/hold/Cargo.toml;
  programs = [
    "atcr-hold"
    "atcr-appview"
    "docker-credential-atcr"
  ];
  repository = "https://github.com/OWNER/atcr-hold";
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
        ../.cargo/config.toml
        ../src
        # What `systemd-units` prints.
        ./units
        # The manifests name these.
        ../tests/appview.rs
        ../tests/architecture.rs
        ../tests/atproto.rs
        ../tests/circles.rs
        ../tests/credential.rs
        ../tests/documents.rs
        ../tests/hold.rs
        ../tests/server.rs
      ]
      ++ lib.optionals withTests [
        ../tests/appview
        ../tests/atproto
        ../tests/bench
        ../tests/credential
        ../tests/hold
        ../tests/server
        ../tests/support
        ../tests/s3/tls.py
        ./metrics
        ./hold/options.md
        ./hold/live-options.json
        ./appview/live-options.json
        ../.clippy.toml
        ../.rustfmt.toml
      ]
    );
  };
  # What people install on their own machines is apart from the daemons, and in none of the images.
  outputs = [
    "out"
    "credential"
  ];

  cargoLock.lockFile = ../Cargo.lock;
  buildFeatures = lib.optional withGcs "atcr-hold/gcs" ++ lib.optional withAzure "atcr-hold/azure";

  # The tests are a check of their own (checks.nix): whoever installs the programs need not wait for them.
  doCheck = false;

  # The programs make their own man pages and completions, where they can be run.
  nativeBuildInputs = [ installShellFiles ];
  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      mkdir man
      for program in ${toString programs}; do
        $out/bin/$program man-pages man
        for shell in bash zsh fish; do
          $out/bin/$program completions $shell > $program.$shell
        done
        installShellCompletion --cmd $program --bash $program.bash --zsh $program.zsh --fish $program.fish
      done
      installManPage man/*
    ''
    + ''
      moveToOutput "bin/docker-credential-atcr" "$credential"
      moveToOutput "share/man/man*/docker-credential-atcr*" "$credential"
      moveToOutput "share/*/*/*docker-credential-atcr*" "$credential"
    '';

  passthru = { inherit tests withGcs withAzure; };

  meta = {
    inherit (manifest.package) description;
    homepage = repository;
    changelog = "${repository}/blob/main/src/hold/manual/changes.md";
    license = lib.licenses.mit;
    mainProgram = "atcr-hold";
    platforms = lib.platforms.unix;
  };
}
