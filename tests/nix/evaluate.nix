# A configuration of the module, evaluated: its mistakes, or its files as a Debian machine would have them under /etc.
# `libPath` is the library of nixpkgs, or the small one beside this file.
{
  libPath ? ./lib,
  configuration,
}:
let
  lib = import libPath;
  machine = import ./machine.nix { inherit lib; };
  package = {
    outPath = "/usr";
    type = "derivation";
    name = "atcr-hold";
    override = features: package // features;
  };
  flake.packages.x86_64-linux.default = package;
  evaluate =
    extra:
    (lib.evalModules {
      specialArgs.pkgs = machine.packages;
      specialArgs.modulesPath = toString ./modules;
      modules = [
        { inherit (machine) options config; }
        (import ../../nixos/hold flake)
        (import ../../nixos/appview flake)
        configuration
      ]
      ++ extra;
    }).config;

  # Values as they stand in TOML. JSON's strings are TOML's too, and tables may all be inline.
  toToml =
    value:
    if builtins.isAttrs value then
      "{ ${
        lib.concatMapStringsSep ", " (name: "${builtins.toJSON name} = ${toToml value.${name}}") (
          builtins.attrNames value
        )
      } }"
    else if builtins.isList value then
      "[${lib.concatMapStringsSep ", " toToml value}]"
    else
      builtins.toJSON value;
  tomlFile =
    settings:
    builtins.concatStringsSep "" (
      lib.mapAttrsToList (name: value: "${name} = ${toToml value}\n") (
        lib.filterAttrsRecursive (_: value: value != null) settings
      )
    );

  text =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;
  section =
    name: entries:
    let
      lines = builtins.concatLists (
        lib.mapAttrsToList (
          key: value: map (item: "${key}=${text item}\n") (if builtins.isList value then value else [ value ])
        ) entries
      );
    in
    if lines == [ ] then "" else "[${name}]\n${builtins.concatStringsSep "" lines}\n";
  # As nixpkgs puts what a switch shall do into the unit. A trigger that is a file stands for what is in it.
  switched =
    config: options:
    let
      of =
        trigger:
        let
          path = toString trigger;
          file = lib.removePrefix "/etc/" path;
        in
        builtins.hashString "sha256" (if (tomls config) ? ${file} then (tomls config).${file} else path);
    in
    lib.optionalAttrs (options ? reloadTriggers) { X-Reload-Triggers = map of options.reloadTriggers; }
    // lib.optionalAttrs (options ? restartTriggers) {
      X-Restart-Triggers = map of options.restartTriggers;
    }
    // lib.optionalAttrs (options.reloadIfChanged or false) { X-ReloadIfChanged = true; }
    // lib.optionalAttrs (!(options.stopIfChanged or true)) { X-StopIfChanged = false; };
  unit =
    options: sections:
    section "Unit" (
      {
        Description = options.description or [ ];
        Documentation = options.documentation or [ ];
        Requires = options.requires or [ ];
        Wants = options.wants or [ ];
        After = options.after or [ ];
        Before = options.before or [ ];
        PartOf = options.partOf or [ ];
      }
      // options.switched or { }
      // options.unitConfig or { }
    )
    + sections
    + section "Install" { WantedBy = options.wantedBy or [ ]; };
  service =
    options:
    unit options (
      section "Service" (
        {
          Environment = lib.mapAttrsToList (name: value: ''"${name}=${value}"'') (options.environment or { });
        }
        // options.serviceConfig or { }
      )
    );
  timer = options: unit options (section "Timer" (options.timerConfig or { }));
  socket =
    options:
    unit options (
      section "Socket" ({ ListenStream = options.listenStreams or [ ]; } // options.socketConfig or { })
    );

  location = path: options: ''
    location ${path} {
      ${lib.optionalString (options ? proxyPass) "proxy_pass ${options.proxyPass};"}
      ${lib.optionalString (options ? alias) "alias ${options.alias};"}
      ${lib.optionalString (options.proxyWebsockets or false) ''
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
      ''}
      ${options.extraConfig or ""}
    }
  '';
  site = host: options: ''
    map $http_upgrade $connection_upgrade {
      default upgrade;
      "" close;
    }
    server {
      listen 80;
      listen [::]:80;
      server_name ${host};
      return 301 https://$host$request_uri;
    }
    server {
      listen 443 ssl;
      listen [::]:443 ssl;
      server_name ${host};
      ssl_certificate ${options.sslCertificate or "/var/lib/acme/${host}/fullchain.pem"};
      ssl_certificate_key ${options.sslCertificateKey or "/var/lib/acme/${host}/key.pem"};
      ${options.extraConfig or ""}
      ${builtins.concatStringsSep "" (lib.mapAttrsToList location options.locations)}
    }
  '';

  rename =
    suffix: render: set:
    builtins.listToAttrs (
      lib.mapAttrsToList (name: value: {
        name = suffix name;
        value = render name value;
      }) set
    );
  filesOf =
    config:
    rename (name: "systemd/system/${name}.service") (
      _: options: service (options // { switched = switched config options; })
    ) (removeAttrs config.systemd.services [ "nginx" ]) # Debian's own
    // rename (name: "systemd/system/${name}.socket") (_: socket) config.systemd.sockets
    // rename (name: "systemd/system/${name}.timer") (_: timer) config.systemd.timers
    // rename (host: "nginx/sites-enabled/${host}") site config.services.nginx.virtualHosts
    // rename (name: "sysusers.d/${name}.conf") (
      name: _:
      "u ${name} -\n"
      + lib.concatMapStringsSep "" (member: "m ${member} ${name}\n") (
        config.users.groups.${name}.members or [ ]
      )
    ) (config.users.users or { })
    // rename (name: "sysusers.d/group-${name}.conf") (name: _: "g ${name} -\n") (
      removeAttrs config.users.groups (
        [
          "root"
          "www-data"
        ]
        ++ builtins.attrNames (config.users.users or { })
      )
    )
    // rename (name: "tmpfiles.d/${name}.conf") (
      _: rules:
      builtins.concatStringsSep "" (
        lib.mapAttrsToList (path: rule: "d ${path} ${rule.d.mode} ${rule.d.user} ${rule.d.group} -\n") rules
      )
    ) (config.systemd.tmpfiles.settings or { })
    // builtins.mapAttrs (_: file: file.text) (
      lib.filterAttrs (_: file: file ? text) config.environment.etc
    )
    // {
      # Links into what is made at the start of the machine.
      "tmpfiles.d/links.conf" = builtins.concatStringsSep "" (
        lib.mapAttrsToList (path: file: "L /etc/${path} - - - - ${file.source}\n") (
          lib.filterAttrs (_: file: builtins.isString (file.source or null)) config.environment.etc
        )
      );
    }
    // builtins.listToAttrs (
      map (command: {
        name = "commands/${command.name}";
        value = "#!/bin/bash\n${command.text}";
      }) (builtins.filter (package: package ? text) config.environment.systemPackages)
    )
    // lib.optionalAttrs config.services.nginx.enable {
      # Debian's nginx.conf has a block `events` of its own, and includes these outside of any block and in `http`.
      "nginx/modules-enabled/99-append.conf" = config.services.nginx.appendConfig;
      "nginx/conf.d/common.conf" = config.services.nginx.commonHttpConfig;
    }
    // tomls config;
  # Of the daemons that are enabled.
  enabled =
    config:
    builtins.filter (name: config.services.${name}.enable) [
      "atcr-hold"
      "atcr-appview"
    ];
  tomls =
    config:
    builtins.listToAttrs (
      map (name: {
        name = "${name}/config.toml";
        value = tomlFile config.services.${name}.settings;
      }) (enabled config)
    );
  everything =
    config:
    let
      failed = builtins.filter (entry: !entry.assertion) config.assertions;
    in
    if failed != [ ] then
      throw "Failed assertions:\n${lib.concatMapStringsSep "\n" (entry: "- ${entry.message}") failed}"
    else
      builtins.deepSeq (map (name: config.services.${name}) (enabled config)) (filesOf config);

  base = evaluate [ ];
in
{
  # Path under /etc -> text.
  files = everything base;
  # The commands that a system's build has to pass.
  checks = map (check: check.text) base.system.checks;
  # The same for each specialisation.
  specialisations = builtins.mapAttrs (
    _: one: everything (evaluate [ one.configuration ])
  ) base.specialisation;
}
