# The NixOS module: services.atcr-hold. It takes the flake, for the package that was tested with it.
self:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
  clouds = {
    withGcs = config.services.atcr-hold.storage ? gcs;
    withAzure = config.services.atcr-hold.storage ? azure;
  };
in
{
  imports = [
    ./options.nix
    ./service.nix
    ./nginx.nix
    (import ../common/daemon.nix {
      name = "atcr-hold";
      title = "hold";
      unknownSecrets =
        "AWS_ACCESS_KEY_ID=unknown AWS_SECRET_ACCESS_KEY=unknown AZURE_STORAGE_ACCOUNT_KEY=unknown"
        + " GOOGLE_APPLICATION_CREDENTIALS=<(echo unknown)"; # names a file
    })
  ];

  # Such buckets need a build of their own.
  services.atcr-hold.package = lib.mkDefault (
    if clouds.withGcs || clouds.withAzure then package.override clouds else package
  );
}
