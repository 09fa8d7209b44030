# What the module and the tests' nodes use of NixOS, as options that take anything, and packages as Debian has them:
# under /usr. So the module evaluates without nixpkgs, and its units run on a Debian machine as they are.
{ lib }:
let
  anything =
    default:
    lib.mkOption {
      type = lib.types.anything;
      inherit default;
    };
  list = lib.mkOption {
    type = lib.types.listOf lib.types.raw;
    default = [ ];
  };
  lines = lib.mkOption {
    type = lib.types.anything // {
      merge = _: defs: lib.concatMapStringsSep "\n" (def: def.value) defs;
    };
    default = "";
  };
  # What a unit says, as NixOS merges it: lists of several modules are one, sets too, anything else must be the same.
  said = lib.types.anything // {
    merge =
      loc: defs:
      if builtins.any (def: builtins.isList def.value) defs then
        builtins.concatMap (def: if builtins.isList def.value then def.value else [ def.value ]) defs
      else
        lib.types.anything.merge loc defs;
  };
  part = lib.types.anything // {
    merge =
      loc: defs:
      (if builtins.all (def: builtins.isAttrs def.value) defs then lib.types.attrsOf said else said).merge
        loc
        defs;
  };
  units = lib.mkOption {
    type = lib.types.attrsOf (lib.types.attrsOf part);
    default = { };
  };
  usr = {
    type = "derivation";
    outPath = "/usr";
  };
in
{
  options = {
    assertions = list;
    boot = anything { };
    fileSystems = anything { };
    nixpkgs = anything { };
    swapDevices = list;
    environment.etc = anything { };
    environment.systemPackages = list;
    environment.variables = anything { };
    networking = {
      firewall.allowedTCPPorts = list;
      hostName = anything "";
      hosts = anything { };
      nameservers = anything [ ];
    };
    security = anything { };
    specialisation = anything { };
    system.checks = list;
    system.stateVersion = anything "";
    system.nssModules = list;
    system.switch = anything { };
    systemd = {
      services = units;
      sockets = units;
      timers = units;
      package = anything usr;
      tmpfiles = anything { };
    };
    users = anything { };
    virtualisation = anything { };
    # Of which the manual has examples.
    services.restic = anything { };
    services.litestream = anything { };
    services.grafana = anything { };
    services.garage = anything { };
    age = anything { };
    sops = anything { };
    services.openssh = anything { };
    services.getty = anything { };
    services.nscd.enable = anything true;
    services.prometheus = {
      enable = anything false;
      scrapeConfigs = list;
      ruleFiles = list;
    };
    services.nginx = {
      enable = anything false;
      user = anything "www-data";
      group = anything "www-data";
      virtualHosts = anything { };
      commonHttpConfig = lines;
      appendConfig = anything "";
      eventsConfig = anything "";
    };
  };

  # Who is there without any module.
  config.users.users = { };
  config.users.groups = {
    root = { };
    www-data = { };
  };

  packages = {
    stdenv.hostPlatform.system = "x86_64-linux";
    stdenv.buildPlatform.canExecute = _: true;
    formats.toml = _: { generate = _: _: { outPath = "/etc/atcr-hold/unchecked.toml"; }; };
    runCommand = name: _: text: {
      inherit text;
      outPath = "/etc/${lib.removeSuffix ".toml" name}/config.toml";
    };
    writeShellScriptBin = name: text: {
      outPath = "/usr/local/bin/${name}";
      inherit name text;
    };
    coreutils = usr;
    curl = usr;
    python3 = usr;
    openssl = usr;
    restic = usr;
    skopeo = usr;
    garage_2 = usr;
    iproute2 = usr;
    util-linux = usr;
  };
}
