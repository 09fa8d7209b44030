{
  description = "A machine with a hold for the ATCR registry";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  inputs.atcr-hold.url = "github:OWNER/atcr-hold";
  inputs.atcr-hold.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, atcr-hold, ... }:
    {
      nixosConfigurations.hold = nixpkgs.lib.nixosSystem {
        modules = [
          atcr-hold.nixosModules.default
          ./configuration.nix
          ./hardware-configuration.nix
        ];
      };
    };
}
