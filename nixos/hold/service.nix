# The socket, the service, its configuration and its credentials.
# This file must not know what the options mean to the daemon (settings.nix), nor nginx.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) optional optionalAttrs optionals;
  cfg = config.services.atcr-hold;
  facts = import ../common/facts.nix;
  mapping = import ./settings.nix { inherit lib cfg; };

  blobs = cfg.storage.filesystem.path or null;
  blobsInState = blobs != null && facts.isInState blobs;
  blobsOutside = blobs != null && !blobsInState;

  # Checked by the daemon itself: a bad setting fails the build, not the boot. Secrets are not there yet.
  plain = (pkgs.formats.toml { }).generate "atcr-hold-unchecked.toml" (
    lib.filterAttrsRecursive (_: value: value != null) cfg.settings
  );
  checked =
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      pkgs.runCommand "atcr-hold.toml" { } ''
        AWS_ACCESS_KEY_ID=unknown AWS_SECRET_ACCESS_KEY=unknown \
          ${cfg.package}/bin/atcr-hold check-config --config ${plain} > /dev/null
        cp ${plain} $out
      ''
    else
      plain;
  configFile = "/etc/atcr-hold/config.toml";

  # For people: the same program with the same configuration.
  command = pkgs.writeShellScriptBin "atcr-hold" ''
    exec ${cfg.package}/bin/atcr-hold --config ${configFile} "$@"
  '';

  credentials = lib.filterAttrs (_: path: path != null) {
    AWS_ACCESS_KEY_ID = cfg.storage.s3.accessKeyIdFile or null;
    AWS_SECRET_ACCESS_KEY = cfg.storage.s3.secretAccessKeyFile or null;
    HOLD_SIGNING_KEY = cfg.signingKeyFile;
    ".env" = cfg.environmentFile;
  };

  # The machine itself is who S3 knows.
  hasRole = cfg.storage ? s3 && cfg.storage.s3.accessKeyIdFile == null;
  # Where the hold itself asks name servers, those that the sandbox would cut off; on Google's machines one is 169.254.169.254.
  asksItself = !(config.services.nscd.enable or true) && !(config.services.resolved.enable or false);
  linkLocalResolvers = optionals asksItself (
    builtins.filter (address: builtins.match "169[.]254[.].*" address != null) (
      config.networking.nameservers or [ ]
    )
  );

  # Both are passed on to the one service; it tells them apart by name. Blobs go in and out without metrics.
  metricsSocket = optional cfg.metrics.enable "atcr-hold-metrics.socket";

  # "8080", "127.0.0.1:8080" and "[::]:8080" have a port; paths have none.
  portOf = stream: builtins.match "(.*:)?([0-9]+)" stream;
  ports = map (stream: lib.toInt (builtins.elemAt (portOf stream) 1)) (
    builtins.filter (stream: portOf stream != null) cfg.listen.streams
  );
in
{
  config = lib.mkIf cfg.enable {
    services.atcr-hold.settings = mapping.all;

    assertions =
      map (name: {
        assertion = facts.isDid name;
        message = ''services.atcr-hold.crew."${name}": this is no DID that can be resolved; write one like did:plc:ewvi7nxzyoun6zhxrhs64oiz or did:web:example.org.'';
      }) (builtins.attrNames cfg.crew)
      ++ lib.mapAttrsToList (name: member: {
        assertion = member.tier == null || cfg.tiers ? ${member.tier};
        message = ''services.atcr-hold.crew."${name}".tier: there is no tier "${toString member.tier}"; declare it as services.atcr-hold.tiers."${toString member.tier}".quota.'';
      }) cfg.crew
      ++ optional (cfg.storage ? s3) {
        assertion =
          (cfg.storage.s3.accessKeyIdFile == null) == (cfg.storage.s3.secretAccessKeyFile == null);
        message = "services.atcr-hold.storage.s3: accessKeyIdFile and secretAccessKeyFile belong together; set both, or neither.";
      }
      ++ [
        {
          assertion = blobs == null || !(facts.isHidden blobs);
          message = "services.atcr-hold.storage.filesystem.path: the service does not see /home, /root, /run/user, /tmp and /var/tmp; put the blobs elsewhere, as in /srv/atcr-hold.";
        }
        {
          assertion =
            config.users.groups ? ${cfg.listen.group} || builtins.match "[0-9]+" cfg.listen.group != null;
          message = ''services.atcr-hold.listen.group: there is no group "${cfg.listen.group}"; declare it as users.groups."${cfg.listen.group}", or take one that is there.'';
        }
        {
          assertion = cfg.openFirewall -> !(builtins.any facts.isLoopback cfg.listen.streams);
          message = "services.atcr-hold.openFirewall: services.atcr-hold.listen.streams has an address that only this machine reaches; listen on another one, or leave the firewall closed.";
        }
      ];

    environment.etc."atcr-hold/config.toml".source = checked;
    environment.systemPackages = [ command ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall ports;

    systemd.sockets.atcr-hold = {
      description = "Sockets of the ATCR hold";
      wantedBy = [ "sockets.target" ];
      listenStreams = cfg.listen.streams;
      socketConfig = {
        SocketMode = cfg.listen.mode;
        SocketGroup = cfg.listen.group;
      }
      // facts.lastingSocket;
    };

    systemd.services.atcr-hold = {
      description = "ATCR hold";
      documentation = [ "https://atcr.io" ];
      # A name server that is silent is given up after 2 s, twice, where the default would be 5.
      environment.RES_OPTIONS = "timeout:2 attempts:2";
      wantedBy = optional cfg.startAtBoot "multi-user.target";
      requires = [ "atcr-hold.socket" ];
      wants = metricsSocket ++ [ "network-online.target" ];
      after = [ "atcr-hold.socket" ] ++ metricsSocket ++ [ "network-online.target" ];
      unitConfig = {
        StartLimitIntervalSec = 0; # what may heal by itself is tried for ever
      }
      // optionalAttrs blobsOutside { RequiresMountsFor = blobs; };

      # Else a switch would stop the service and restart the socket only: the hold would be down until someone connects.
      stopIfChanged = false;
      reloadTriggers = [ checked ];
      restartTriggers = [ (builtins.toJSON (mapping.fixedAtStart cfg.settings)) ];

      serviceConfig = {
        Type = "notify-reload";
        NotifyAccess = "main";
        # The variables are read from a credential, so that no secret has to be in the environment.
        ExecStart =
          "${cfg.package}/bin/atcr-hold --config ${configFile}"
          + lib.optionalString (cfg.environmentFile != null) " --env-file %d/.env";
        WatchdogSec = 30;
        Restart = "on-failure";
        RestartSec = 1;
        RestartSteps = 6; # the pauses grow up to
        RestartMaxDelaySec = 30;
        RestartPreventExitStatus = 78; # a wrong configuration stays wrong
        TimeoutStopSec = 90; # 30 for requests in flight, and room for the disk
        DynamicUser = !blobsOutside;
        StateDirectory = lib.unique (
          [ "atcr-hold" ] ++ optional blobsInState (lib.removePrefix "/var/lib/" blobs)
        );
        StateDirectoryMode = "0700";
        RuntimeDirectory = "atcr-hold"; # the admin socket
        RuntimeDirectoryMode = "0700";
        WorkingDirectory = "/";
        LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") credentials;
      }
      // import ../common/hardening.nix
      // optionalAttrs blobsOutside {
        User = "atcr-hold";
        Group = "atcr-hold";
        UMask = "0027"; # the group is nginx's way to the blobs, if it is let into their directory
        ReadWritePaths = "-${blobs}"; # absent, the hold itself says what is wrong
      }
      // {
        IPAddressAllow = builtins.concatStringsSep " " (
          [
            "169.254.169.253" # the resolver of Amazon's networks
            "fe80::/64" # routers announce themselves as resolvers there; no cloud's metadata is
          ]
          ++ optionals hasRole [
            "169.254.169.254" # where clouds hand a role's keys to a machine
            "169.254.170.2" # or to a container
          ]
          ++ linkLocalResolvers
        );
      };
    };

    systemd.tmpfiles.settings.atcr-hold = lib.mkIf blobsOutside {
      ${blobs}.d = {
        mode = if cfg.nginx.sendBlobs then "0750" else "0700";
        user = "atcr-hold";
        group = "atcr-hold";
      };
    };
    users = lib.mkIf blobsOutside {
      users.atcr-hold = {
        isSystemUser = true;
        group = "atcr-hold";
      };
      groups.atcr-hold.members = optionals cfg.nginx.sendBlobs [ config.services.nginx.user ];
    };
  };
}
