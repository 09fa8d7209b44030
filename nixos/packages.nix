# What `nix build` and `nix run` know: the package, docker's helper alone, an image of each program, a machine to try them on.
{
  pkgs,
  # The flake's checks, for passthru.tests.
  tests,
  # The try-out machine; Linux only.
  machine,
}:
let
  inherit (pkgs) lib;
  package = pkgs.callPackage ./package.nix { inherit tests; };
  image = arguments: pkgs.callPackage ./image.nix ({ inherit package; } // arguments);
in
{
  default = package;
  docker-credential-atcr = package.credential // {
    meta = package.meta // {
      mainProgram = "docker-credential-atcr";
    };
  };
}
// lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
  image = image {
    program = "atcr-hold";
    port = 8080;
    environment = [ "STORAGE_ROOT_DIR=/var/lib/atcr-hold/blobs" ];
  };
  appview-image = image {
    program = "atcr-appview";
    port = 5000;
  };
  vm = (machine pkgs.stdenv.hostPlatform.system).config.system.build.vm;
}
