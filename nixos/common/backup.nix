# Copies of a daemon's database, by a timer. A module, made for a program whose options are those of options.nix and `enable`.
{ name, title }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.${name};
  inherit (cfg.backup) directory group;
  facts = import ./facts.nix;
  service = config.systemd.services.${name}.serviceConfig;
  state = "/var/lib/${name}";
in
{
  config = lib.mkIf (cfg.enable && cfg.backup.enable) {
    assertions = [
      {
        assertion = builtins.match "(${state}|/var/lib/private/${name})(/.*)?" directory == null;
        message = "services.${name}.backup.directory: copies beside the original are lost with it; take a directory outside of ${state}.";
      }
      {
        assertion = !(facts.isHidden directory);
        message = "services.${name}.backup.directory: the service does not see /home, /root, /run/user, /tmp and /var/tmp; take one like /var/backup/${name}.";
      }
      {
        assertion = facts.isPlain directory;
        message = ''services.${name}.backup.directory: "${directory}" stands in a command of systemd; take one without blanks, quotes, backslashes, %, $ and ;.'';
      }
      {
        assertion = group == null || config.users.groups ? ${group};
        message = ''services.${name}.backup.group: there is no group "${toString group}"; declare it as users.groups."${toString group}", or take one that is there.'';
      }
    ];

    # A timer whose time systemd does not understand is left out, and nobody would miss the copies: fails the build instead.
    system.checks = lib.optional (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) (
      pkgs.runCommand "${name}-backup-schedule" { } ''
        ${config.systemd.package}/bin/systemd-analyze calendar ${lib.escapeShellArg cfg.backup.schedule} > $out
      ''
    );

    systemd.tmpfiles.settings."${name}-backup".${directory}.d = {
      mode = if group == null then "0700" else "0750";
      user = "root";
      group = if group == null then "root" else group;
    };

    systemd.timers."${name}-backup" = {
      description = "Copies of the ATCR ${title}'s database";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.backup.schedule;
        Persistent = true; # one that was missed comes when the machine is up
        RandomizedDelaySec = 600;
      };
    };

    systemd.services."${name}-backup" = {
      description = "Copy of the ATCR ${title}'s database";
      after = [ "${name}.service" ];
      serviceConfig = import ./hardening.nix { inherit (lib) mkDefault; } // {
        Type = "oneshot";
        ExecStart = "${cfg.package}/bin/${name} --config /etc/${name}/config.toml backup --keep ${toString cfg.backup.keep} ${directory}";
        # The configuration may want secrets that a copy does not need.
        LoadCredential = service.LoadCredential or [ ];
        ExecStartPost =
          lib.optional cfg.backup.keys "-${pkgs.coreutils}/bin/cp -rp ${state}/keys ${directory}/"
          ++ lib.optionals (group != null) [
            "${pkgs.coreutils}/bin/chgrp -R ${group} ${directory}"
            "${pkgs.coreutils}/bin/chmod -R u=rwX,g=rX,o= ${directory}"
          ];
        ReadWritePaths = [
          directory
          # SQLite shares memory with the daemon by a file beside the database, and gives it to the database's owner.
          "-${state}"
          "-/var/lib/private/${name}"
        ];
        # Root, less nearly all that root may do: the database is another user's.
        CapabilityBoundingSet = "CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER";
        PrivateUsers = false;
        PrivateNetwork = true; # it calls nobody
        RestrictAddressFamilies = "AF_UNIX";
        SystemCallFilter = [
          "@system-service"
          "~@resources @mount @keyring @memlock @setuid @timer"
        ];
        Nice = 10;
        IOSchedulingClass = "idle";
      };
    };
  };
}
