# What the hold's service has beside what every daemon has (common/daemon.nix): crew, keys, blobs, a role, the alerts.
# This file must not know what the options mean to the daemon (settings.nix), nor nginx.
{ config, lib, ... }:
let
  inherit (lib) optional optionals;
  cfg = config.services.atcr-hold;
  facts = import ../common/facts.nix;
  mapping = import ./settings.nix {
    inherit lib cfg;
    # What is read of the environment's file at the start is not known here.
    withFrontEnd = (config.services.atcr-appview or { }).enable or false && cfg.environmentFile == null;
  };

  blobs = cfg.storage.filesystem.path or null;
  blobsInState = blobs != null && facts.isInState blobs;
  blobsOutside = blobs != null && !blobsInState;

  credentials = lib.filterAttrs (_: path: path != null) {
    AWS_ACCESS_KEY_ID = cfg.storage.s3.accessKeyIdFile or null;
    AWS_SECRET_ACCESS_KEY = cfg.storage.s3.secretAccessKeyFile or null;
    AZURE_STORAGE_ACCOUNT_KEY = cfg.storage.azure.accessKeyFile or null;
    GOOGLE_APPLICATION_CREDENTIALS = cfg.storage.gcs.serviceAccountFile or null;
    HOLD_SIGNING_KEY = cfg.signingKeyFile;
  };

  # Of what is outside of the state.
  group = config.users.users.${cfg.user}.group;

  # The machine itself is who S3 knows.
  hasRole = cfg.storage ? s3 && cfg.storage.s3.accessKeyIdFile == null;
in
{
  # What depends on all of them.
  options.services.atcr-hold.settings = lib.mkOption { apply = mapping.complete; };

  config = lib.mkIf cfg.enable {
    services.atcr-hold.settings = mapping.all;

    assertions = [
      {
        assertion = cfg.did == facts.didOf cfg.url || lib.hasPrefix "did:plc:" cfg.did;
        message = "services.atcr-hold.did: it is a did:plc, or follows from services.atcr-hold.url; leave it out, which makes it ${facts.didOf cfg.url}.";
      }
    ]
    ++ map (name: {
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
    ++
      lib.mapAttrsToList
        (kind: feature: {
          # Of a package that does not say what it has, check-config says it.
          assertion = cfg.storage ? ${kind} -> cfg.package.${feature} or true;
          message = "services.atcr-hold.storage.${kind}: services.atcr-hold.package was built without it; leave the package at its default, or override it with { ${feature} = true; }.";
        })
        {
          gcs = "withGcs";
          azure = "withAzure";
        }
    ++ [
      {
        assertion = blobs == null || !(facts.isHidden blobs);
        message = "services.atcr-hold.storage.filesystem.path: the service does not see /home, /root, /run/user, /tmp and /var/tmp; put the blobs elsewhere, as in /srv/atcr-hold.";
      }
      {
        assertion = blobs == null || builtins.match "/var/lib/private(/.*)?" blobs == null;
        message = "services.atcr-hold.storage.filesystem.path: /var/lib/private is systemd's own; without a user of its own the hold has /var/lib/atcr-hold there, which is what to write here.";
      }
      {
        assertion = blobs == null || facts.isPlain blobs;
        message = ''services.atcr-hold.storage.filesystem.path: "${toString blobs}" stands in files of systemd and nginx; take a path without blanks, quotes, backslashes, %, $ and ;.'';
      }
      {
        assertion = blobsOutside -> cfg.user != null;
        message = "services.atcr-hold.user: a directory of blobs outside of /var/lib/atcr-hold belongs to a user that stays; leave the option at its default there.";
      }
    ];

    systemd.services.atcr-hold = {
      # Changes of live options are followed without a restart.
      reloadTriggers = [ config.environment.etc."atcr-hold/config.toml".source ];
      restartTriggers = [ (builtins.toJSON (mapping.fixedAtStart cfg.settings)) ];
      unitConfig = lib.mkIf blobsOutside { RequiresMountsFor = blobs; };
      serviceConfig = lib.mkMerge [
        {
          StateDirectory = optional (blobsInState && blobs != facts.stateDirectory) (
            lib.removePrefix "/var/lib/" blobs
          );
          LoadCredential = lib.mapAttrsToList (name: path: "${name}:${path}") credentials;
          IPAddressAllow = optionals hasRole [
            "169.254.169.254" # where clouds hand a role's keys to a machine
            "169.254.170.2" # or to a container
          ];
        }
        (lib.mkIf blobsOutside {
          UMask = "0027"; # the group is nginx's way to the blobs, if it is let into their directory
          ReadWritePaths = "-${blobs}"; # absent, the hold itself says what is wrong
        })
      ];
    };

    systemd.tmpfiles.settings.atcr-hold = lib.mkIf blobsOutside {
      ${blobs}.d = {
        mode = if cfg.nginx.sendBlobs then "0750" else "0700";
        inherit (cfg) user;
        inherit group;
      };
    };

    # Of the unit and of nginx's user: with a group of its unit, nginx is restarted by the switch that gives it, and has it
    # at once.
    users = lib.mkIf (blobsOutside && cfg.nginx.sendBlobs && cfg.user == "atcr-hold") {
      groups.atcr-hold.members = [ config.services.nginx.user ];
    };
    systemd.services.nginx = lib.mkIf (blobsOutside && cfg.nginx.enable && cfg.nginx.sendBlobs) {
      serviceConfig.SupplementaryGroups = [ group ];
    };

    services.prometheus.ruleFiles = lib.mkIf (cfg.metrics.enable && cfg.metrics.scrape) [
      ../metrics/alerts.yml
    ];
  };
}
