# A daemon of ours on a machine: the sockets, the service, its configuration, its secrets, its metrics. A module, made for
# a program whose options are those of options.nix and `enable`. This file must not know what its settings mean, nor nginx.
{
  # The program, which the options and units are named after, and what people call it: `atcr-hold`, `hold`.
  name,
  title,
  # Variables in the place of secrets, which are not there when the configuration is checked.
  unknownSecrets ? "",
}:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault optional;
  cfg = config.services.${name};
  facts = import ./facts.nix;
  option = "services.${name}";

  # Checked by the daemon itself: a bad setting fails the build, not the boot. Secrets are not there yet.
  plain = (pkgs.formats.toml { }).generate "${name}-unchecked.toml" (
    lib.filterAttrsRecursive (_: value: value != null) cfg.settings
  );
  checked =
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      pkgs.runCommand "${name}.toml" { } ''
        ${unknownSecrets} ${cfg.package}/bin/${name} check-config --config ${plain} > /dev/null
        cp ${plain} $out
      ''
    else
      plain;
  configFile = "/etc/${name}/config.toml";

  # What the service has as credentials, as links that root alone can follow: for commands. The store has only the paths.
  secrets = "${name}/credentials";
  links = map (
    credential:
    let
      parts = builtins.match "([^:]*):(.*)" credential;
    in
    {
      name = "${secrets}/${builtins.head parts}";
      value.source = builtins.elemAt parts 1;
    }
  ) config.systemd.services.${name}.serviceConfig.LoadCredential;

  # For people: the same program with the same configuration and, for root, the same secrets, before the package's own, whose
  # man pages and completions it has.
  command = pkgs.writeShellScriptBin name ''
    if [ "$EUID" = 0 ] && [ -z "''${CREDENTIALS_DIRECTORY:-}" ]; then
      export CREDENTIALS_DIRECTORY=/etc/${secrets}
    fi
    exec ${cfg.package}/bin/${name} --config ${configFile} "$@"
  '';

  # A socket outlives every fault of the service: connections that wait start it again and again, without ever failing
  # the socket (TriggerLimit), but not without pause (PollLimit, systemd 255).
  lasting = {
    TriggerLimitIntervalSec = 0;
    PollLimitIntervalSec = 10;
    PollLimitBurst = 5;
    FreeBind = true; # an address that the network brings later, or never, stops nothing
  };
  # All are passed on to the one service; it tells them apart by name.
  sockets = {
    ${name} = {
      description = "Sockets of the ATCR ${title}";
      wantedBy = [ "sockets.target" ];
      listenStreams = cfg.listen.streams;
      unitConfig.StartLimitIntervalSec = 0; # however often a switch makes it anew
      socketConfig = lasting // {
        SocketMode = cfg.listen.mode;
        SocketGroup = cfg.listen.group;
      };
    };
  }
  // lib.optionalAttrs cfg.metrics.enable {
    "${name}-metrics" = {
      description = "Socket for the metrics of the ATCR ${title}";
      wantedBy = [ "sockets.target" ];
      # Both are made anew in one step, which first stops the service: a socket of a service that runs cannot be started.
      partOf = [ "${name}.socket" ];
      listenStreams = [ cfg.metrics.listen ];
      unitConfig.StartLimitIntervalSec = 0;
      socketConfig = lasting // {
        Service = "${name}.service";
        FileDescriptorName = "metrics";
        SocketMode = "0660";
      };
    };
  };
  # Blobs go in and out without metrics.
  wantedSockets = optional cfg.metrics.enable "${name}-metrics.socket";

  # "8080", "127.0.0.1:8080" and "[::]:8080" have a port; paths have none.
  portOf = stream: builtins.match "(.*:)?([0-9]+)" stream;
  ports = map (stream: lib.toInt (builtins.elemAt (portOf stream) 1)) (
    builtins.filter (stream: portOf stream != null) cfg.listen.streams
  );

  # systemd leaves out what it does not understand, and a socket without any address fails with the service.
  listenable = place: stream: {
    assertion = facts.isStream stream;
    message = ''${option}.${place}: systemd cannot listen on "${stream}"; write a path like /run/${name}.sock, a port like 8080, or an address with a port, like 127.0.0.1:8080 or [::1]:8080.'';
  };

  # Where the daemon itself asks name servers, those that the sandbox would cut off; on Google's machines one is 169.254.169.254.
  asksItself = !(config.services.nscd.enable or true) && !(config.services.resolved.enable or false);
  linkLocalResolvers = lib.optionals asksItself (
    builtins.filter (address: builtins.match "169[.]254[.].*" address != null) (
      config.networking.nameservers or [ ]
    )
  );
in
{
  imports = [ (import ./backup.nix { inherit name title; }) ];

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion =
          config.users.groups ? ${cfg.listen.group} || builtins.match "[0-9]+" cfg.listen.group != null;
        message = ''${option}.listen.group: there is no group "${cfg.listen.group}"; declare it as users.groups."${cfg.listen.group}", or take one that is there.'';
      }
      {
        assertion = cfg.openFirewall -> !(builtins.any facts.isLoopback cfg.listen.streams);
        message = "${option}.openFirewall: ${option}.listen.streams has an address that only this machine reaches; listen on another one, or leave the firewall closed.";
      }
    ]
    ++ map (listenable "listen.streams") cfg.listen.streams
    ++ optional cfg.metrics.enable (listenable "metrics.listen" cfg.metrics.listen)
    ++ optional (cfg.user != null) {
      assertion = cfg.user != "root" && config.users.users ? ${cfg.user};
      message = ''${option}.user: there is no user "${cfg.user}" that a service may run as; take "${name}", which is made, or declare users.users."${cfg.user}".'';
    }
    ++ lib.optionals cfg.metrics.enable [
      {
        assertion = cfg.metrics.scrape -> builtins.match "[^/]+:[0-9]+" cfg.metrics.listen != null;
        message = "${option}.metrics.scrape: Prometheus scrapes addresses with a port, neither paths nor ports alone; set ${option}.metrics.listen to one like 127.0.0.1:9464.";
      }
      {
        assertion = cfg.metrics.scrape -> config.services.prometheus.enable;
        message = "${option}.metrics.scrape: there is no Prometheus on this machine; set services.prometheus.enable = true, or leave it to one elsewhere.";
      }
      {
        assertion = !(builtins.elem cfg.metrics.listen cfg.listen.streams);
        message = "${option}.metrics.listen: metrics are not for the public; use another address than those of ${option}.listen.streams.";
      }
    ];

    environment.etc = {
      "${name}/config.toml".source = checked;
    }
    // builtins.listToAttrs links;
    environment.systemPackages = [
      (lib.hiPrio command)
      cfg.package
    ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall ports;

    systemd.sockets = sockets;

    # A switch leaves sockets as they are, whatever changed in them, and a service whose socket went would have none. So
    # a switch reloads this, which makes them anew: the service stops first, and starts again if it ran.
    systemd.services."${name}-sockets" = {
      description = "Sockets of the ATCR ${title}, made anew when they change";
      wantedBy = [ "multi-user.target" ];
      after = [ "${name}.socket" ];
      reloadIfChanged = true;
      reloadTriggers = [ (builtins.toJSON sockets) ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.coreutils}/bin/true";
        ExecReload = "${config.systemd.package}/bin/systemctl restart ${name}.socket";
      };
    };

    systemd.services.${name} = {
      description = "ATCR ${title}";
      documentation = [ "https://atcr.io" ];
      # A name server that is silent is given up after 2 s, twice, where the default would be 5.
      environment.RES_OPTIONS = "timeout:2 attempts:2";
      wantedBy = optional cfg.startAtBoot "multi-user.target";
      requires = [ "${name}.socket" ];
      wants = wantedSockets ++ [ "network-online.target" ];
      after = [ "${name}.socket" ] ++ wantedSockets ++ [ "network-online.target" ];
      unitConfig.StartLimitIntervalSec = 0; # what may heal by itself is tried for ever

      # Else a switch would stop the service and restart the socket only: it would be down until someone connects.
      stopIfChanged = false;

      serviceConfig =
        import ./hardening.nix { inherit mkDefault; }
        // {
          Type = "notify-reload";
          NotifyAccess = "main";
          # Never on another address than those of the sockets.
          ExecStart = "${cfg.package}/bin/${name} --config ${configFile} serve --socket-activated";
          # The daemon reads its variables from a credential of this name, so that no secret has to be in the environment.
          LoadCredential = optional (cfg.environmentFile != null) ".env:${cfg.environmentFile}";
          WatchdogSec = 30;
          Restart = "on-failure";
          RestartSec = 1;
          RestartSteps = 6; # the pauses grow up to
          RestartMaxDelaySec = 30;
          RestartPreventExitStatus = 78; # a wrong configuration stays wrong
          TimeoutStopSec = 90; # 30 for requests in flight, and room for the disk
          DynamicUser = cfg.user == null;
          StateDirectory = [ name ];
          StateDirectoryMode = "0700";
          RuntimeDirectory = name; # the admin socket
          RuntimeDirectoryMode = "0700";
          WorkingDirectory = "/";
          IPAddressAllow = [
            "169.254.169.253" # the resolver of Amazon's networks
            "fe80::/64" # routers announce themselves as resolvers there; no cloud's metadata is
          ]
          ++ linkLocalResolvers;
        }
        // lib.optionalAttrs (cfg.user != null) {
          User = cfg.user;
          Group = config.users.users.${cfg.user}.group;
        };
    };

    users = lib.mkIf (cfg.user == name) {
      users.${name} = {
        isSystemUser = true;
        group = name;
      };
      groups.${name} = { };
    };

    services.prometheus = lib.mkIf (cfg.metrics.enable && cfg.metrics.scrape) {
      scrapeConfigs = [
        {
          # The alerts ask for this name.
          job_name = name;
          static_configs = [ { targets = [ cfg.metrics.listen ]; } ];
        }
      ];
    };
  };
}
