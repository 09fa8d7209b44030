{
  description = "A machine with a registry on the AT Protocol: a hold, and the front end that clients push to";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
  inputs.atcr-hold.url = "github:OWNER/atcr-hold";
  inputs.atcr-hold.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    { nixpkgs, atcr-hold, ... }:
    {
      # Named as the machine is (networking.hostName): `nixos-rebuild switch --flake .` finds it by that.
      nixosConfigurations.registry = nixpkgs.lib.nixosSystem {
        modules = [
          atcr-hold.nixosModules.default
          ./registry.nix
          ./machine.nix
          # By `nixos-generate-config --show-hardware-config` on the machine itself.
          ./hardware-configuration.nix
        ];
      };
    };
}
