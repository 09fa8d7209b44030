{
  description = "Bring-your-own-storage hold for the ATCR container registry on the AT Protocol";

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
      own = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system};
    in
    {
      packages = forAll (
        pkgs:
        {
          default = pkgs.callPackage ./nixos/package.nix { };
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          image = pkgs.callPackage ./nixos/image.nix { package = (own pkgs).default; };
        }
      );

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
        {
          package = (own pkgs).default;
          inherit (own pkgs) image;
        }
        // import ./nixos/checks.nix {
          inherit pkgs;
          package = (own pkgs).default;
          module = self.nixosModules.default;
        }
      );

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (own pkgs).default ];
          packages = with pkgs; [
            clippy
            rustfmt
            nixfmt
            deadnix
            nodejs
            shellcheck
          ];
        };
      });

      formatter = forAll (pkgs: pkgs.nixfmt-tree);

      templates.default = {
        path = ./nixos/template;
        description = "A NixOS machine with a hold";
      };
    };
}
