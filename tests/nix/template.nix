# The template as a new machine has it: with its owner's key, and a hardware-configuration.nix as nixos-generate-config writes
# it. `withKey = false`: as it comes.
{
  libPath ? ./lib,
  withKey ? true,
}:
let
  lib = import libPath;
  machine = import ./machine.nix { inherit lib; };
  folder = ../../nixos/template;
  package = {
    outPath = "/usr";
    type = "derivation";
  };
  flake = {
    packages.x86_64-linux.default = package;
  };
  hardware =
    { modulesPath, ... }:
    {
      imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];
      boot.initrd.availableKernelModules = [
        "xhci_pci"
        "ahci"
        "sd_mod"
      ];
      boot.initrd.kernelModules = [ ];
      boot.kernelModules = [ "kvm-intel" ];
      boot.extraModulePackages = [ ];
      fileSystems."/" = {
        device = "/dev/disk/by-uuid/12345678-9abc-def0-1234-56789abcdef0";
        fsType = "ext4";
      };
      fileSystems."/boot" = {
        device = "/dev/disk/by-uuid/1234-5678";
        fsType = "vfat";
        options = [
          "fmask=0077"
          "dmask=0077"
        ];
      };
      swapDevices = [ ];
      nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
    };
  given = import (folder + "/machine.nix");
  own = given // {
    assertions = map (one: one // { assertion = one.assertion || withKey; }) given.assertions;
  };
  outputs = (import (folder + "/flake.nix")).outputs {
    nixpkgs.lib = lib // {
      nixosSystem = arguments: arguments;
    };
    atcr-hold.nixosModules.default.imports = [
      (import ../../nixos/hold flake)
      (import ../../nixos/appview flake)
    ];
  };
  name = builtins.head (builtins.attrNames outputs.nixosConfigurations);
  there = {
    "hardware-configuration.nix" = hardware;
    "machine.nix" = own;
  };
  modules = map (
    module: if builtins.isPath module then there.${baseNameOf module} or module else module
  ) outputs.nixosConfigurations.${name}.modules;
  inherit
    (lib.evalModules {
      specialArgs = {
        pkgs = machine.packages;
        modulesPath = toString ./modules;
      };
      modules = [ { inherit (machine) options config; } ] ++ modules;
    })
    config
    ;
  failed = builtins.filter (entry: !entry.assertion) config.assertions;
in
if failed != [ ] then
  throw (lib.concatMapStringsSep "\n" (entry: entry.message) failed)
else if config.networking.hostName != name then
  throw "The attribute ${name} is not the host name ${config.networking.hostName}."
else
  builtins.deepSeq [ config.services.atcr-hold config.services.atcr-appview ] {
    host = name;
    inherit (config) boot fileSystems system;
    units = builtins.attrNames config.systemd.services;
    hosts = builtins.attrNames config.services.nginx.virtualHosts;
    ports = config.networking.firewall.allowedTCPPorts;
  }
