# The options that every daemon of ours has: its sockets, metrics, secrets, reverse proxy, and whatever else its file takes.
# This file must not know how they reach systemd (daemon.nix) or nginx (proxy.nix).
{
  lib,
  config,
  # The program, which the options and units are named after, and what people call it: `atcr-hold`, `hold`.
  name,
  title,
  # Of the metrics, on the loopback address.
  metricsPort,
  # A variable that a secrets file may set, and settings as an example.
  secretVariable,
  settingsExample,
  # What makes one client's share of the connections, for people.
  requestsPerClient,
}:
let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.${name};
in
{
  package = mkOption {
    type = types.package;
    defaultText = literalExpression "the ${name} of the flake that this module comes from";
    example = literalExpression "pkgs.atcr-hold";
    description = "The package that is run.";
  };
  user = mkOption {
    type = types.nullOr types.str;
    default = null;
    example = name;
    description = ''
      User that the ${title} runs as: `${name}`, which is made, or one that is declared. `null`: systemd makes one for each run,
      and keeps the state in `/var/lib/private/${name}`. Where `/var/lib/${name}` is a mount of its own (a file system, a
      dataset, impermanence), that cannot be, and a start ends with 238/STATE_DIRECTORY: set a user there. What is in the
      state changes its place and owner by itself at the next start.
    '';
  };
  listen = {
    streams = mkOption {
      type = types.nonEmptyListOf types.str;
      default = [ "/run/${name}.sock" ];
      defaultText = literalExpression ''[ "/run/${name}.sock" ]'';
      example = literalExpression ''[ "127.0.0.1:8080" "/run/${name}.sock" ]'';
      description = ''
        Sockets that systemd listens on for the ${title}: paths, ports, or addresses with a port. A reverse proxy that
        comes by an address and a port must be one of `settings.server.trusted_proxies`, or all its clients count as one.
      '';
    };
    mode = mkOption {
      type = types.strMatching "0[0-7]{3}";
      default = "0660";
      example = "0600";
      description = "Permissions of the socket files.";
    };
    group = mkOption {
      type = types.str;
      default = if cfg.nginx.enable then config.services.nginx.group else "root";
      defaultText = literalExpression ''if nginx.enable then config.services.nginx.group else "root"'';
      example = "caddy";
      description = "Group of the socket files: that of the reverse proxy.";
    };
  };
  metrics = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether to give metrics to Prometheus, at `GET /metrics` of a socket of their own.";
    };
    listen = mkOption {
      type = types.str;
      default = "127.0.0.1:${toString metricsPort}";
      defaultText = literalExpression ''"127.0.0.1:${toString metricsPort}"'';
      example = "[fd00::1]:${toString metricsPort}";
      description = ''
        Where systemd listens for scrapers: an address with a port, or a path. Whoever can connect may read. No option
        here opens it in the firewall.
      '';
    };
    scrape = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the Prometheus of this machine (`services.prometheus`) scrapes the ${title}, and watches it by the alerts of
        `nixos/metrics`.
      '';
    };
  };
  openFirewall = mkOption {
    type = types.bool;
    default = false;
    example = true;
    description = "Whether to open the ports of `listen.streams`, and with `nginx.enable` 80 and 443.";
  };
  startAtBoot = mkOption {
    type = types.bool;
    default = true;
    example = false;
    description = "Whether the ${title} runs from boot on. `false`: the first connection starts it.";
  };
  backup = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether to copy the database regularly, as it is at one moment, while the ${title} runs: `/var/lib/${name}` itself is
        no backup: without `user` it is a link, and a copy of the files of a running database is none.
      '';
    };
    directory = mkOption {
      type = types.pathWith {
        absolute = true;
        inStore = false;
      };
      default = "/var/backup/${name}";
      example = "/srv/backup/${name}";
      description = "Directory of the copies, made when it is missing; it is what restic and its like are to save.";
    };
    schedule = mkOption {
      type = types.str;
      default = "daily";
      example = "*-*-* 03:30:00";
      description = "When, as `systemd.time` has it; made up for when the machine was off.";
    };
    keep = mkOption {
      type = types.addCheck types.int (count: count >= 1) // {
        description = "count, at least 1";
      };
      default = 7;
      example = 30;
      description = "How many copies stay, the newest.";
    };
    group = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "backup";
      description = "Group that may read the copies; `null`: root only.";
    };
    keys = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether keys that the ${title} made itself are copied too, into `keys` there. A backup is not whole
        without them: `false` is for those who keep them elsewhere, or give them by a file.
      '';
    };
  };
  environmentFile = (import ./secret.nix { inherit lib; }) {
    example = "/run/keys/${title}.env";
    description = ''
      Not the environment of the service, but a file of secrets that only the ${title} reads, as a credential: lines like
      `${secretVariable}=…`, by the names of the variables. What it sets goes before these options.
    '';
  };
  nginx = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether to put nginx with TLS before the ${title}, on the host of `url`.";
    };
    acme = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether to get the certificate by ACME. `false`: set `services.nginx.virtualHosts.<host>.useACMEHost`, or
        `sslCertificate` and `sslCertificateKey`, yourself.
      '';
    };
    requestsPerClient = mkOption {
      type = types.addCheck types.int (count: count >= 1) // {
        description = "count, at least 1";
      };
      default = 256;
      example = 128;
      description = requestsPerClient;
    };
  };
  settings = mkOption {
    type = types.attrsOf types.anything;
    default = { };
    example = literalExpression settingsExample;
    description = ''
      Any option of the ${title}'s TOML file, by its own name; the options above end up here too. It is checked by the
      ${title} itself when the system is built.
    '';
  };
}
