{
  description = "Bring-your-own-storage hold for the ATCR container registry on the AT Protocol, and the registry front end";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEach = systems: make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      forAll = forEach (linux ++ [ "aarch64-darwin" ]);
      systemOf = pkgs: pkgs.stdenv.hostPlatform.system;
      own = pkgs: self.packages.${systemOf pkgs};
    in
    {
      packages = forAll (
        pkgs:
        import ./nixos/packages.nix {
          inherit pkgs;
          tests = self.checks.${systemOf pkgs} or { };
          machine =
            system:
            lib.nixosSystem {
              inherit system;
              modules = [
                self.nixosModules.default
                ./nixos/vm.nix
              ];
            };
        }
      );

      # Each writes an image to its standard output: `nix run .#image | podman load`.
      apps = forEach linux (pkgs: import ./nixos/apps.nix (own pkgs));

      overlays.default = final: _: { atcr-hold = final.callPackage ./nixos/package.nix { }; };

      nixosModules = {
        hold = lib.modules.importApply ./nixos/hold self;
        appview = lib.modules.importApply ./nixos/appview self;
        default.imports = [
          self.nixosModules.hold
          self.nixosModules.appview
        ];
      };

      checks = forEach linux (
        pkgs:
        import ./nixos/checks.nix {
          inherit pkgs;
          package = (own pkgs).default;
          module = self.nixosModules.default;
        }
        // {
          package = (own pkgs).default;
          inherit (own pkgs) image appview-image;
        }
      );

      devShells = forAll (pkgs: {
        default = pkgs.callPackage ./nixos/shell.nix { package = (own pkgs).default; };
      });

      formatter = forAll (pkgs: pkgs.nixfmt-tree);

      templates.default = {
        path = ./nixos/template;
        description = "A NixOS machine with a hold and a registry";
      };
    };
}
