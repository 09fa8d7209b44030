# The options of services.atcr-hold: what a person may write, with types that refuse the rest.
# This file must not know how options reach the daemon (settings.nix) or systemd (service.nix).
{ config, lib, ... }:
let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.atcr-hold;

  storage = import ./storage.nix { inherit lib; };
  inherit (import ../common/types.nix { inherit lib; }) url did;
  secretFile = import ../common/secret.nix { inherit lib; };
  common = import ../common/options.nix {
    inherit lib config;
    name = "atcr-hold";
    title = "hold";
    metricsPort = 9464;
    secretVariable = "AWS_SECRET_ACCESS_KEY";
    settingsExample = ''{ log_level = "debug"; limits.uploads_total = 256; }'';
    requestsPerClient = ''
      How many requests one client, an address or a /64 of IPv6, may have under way through nginx; more get 429. The
      hold takes 1,024 connections (`settings.limits.connections`), of which each request has one: the default leaves
      three quarters to the others.
    '';
  };

  facts = import ../common/facts.nix;

  size = types.addCheck types.str (text: builtins.match "[1-9][0-9]* ?[KMGT]i?B" text != null) // {
    description = "size like 50 GB or 512 MiB";
  };

  member.options = {
    role = mkOption {
      type = types.str;
      default = "member";
      example = "maintainer";
      description = "A word for people; it grants nothing.";
    };
    permissions = mkOption {
      type = types.nonEmptyListOf (
        types.enum [
          "blob:read"
          "blob:write"
          "crew:admin"
        ]
      );
      example = literalExpression ''[ "blob:write" ]'';
      description = "What the member may do. `blob:write` implies `blob:read`; `crew:admin` implies both.";
    };
    tier = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "bosun";
      description = "Quota tier, one of `tiers`.";
    };
  };

  tier.options.quota = mkOption {
    type = size;
    example = "50 GB";
    description = "How much one account may store, each blob once: what its manifests name, and what it uploaded.";
  };
in
{
  options.services.atcr-hold = common // {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether to run a hold: blob storage for the ATCR container registry, and an atproto account.";
    };
    user = common.user // {
      default =
        if facts.isInState (cfg.storage.filesystem.path or "/var/lib/atcr-hold") then null else "atcr-hold";
      defaultText = literalExpression ''"atcr-hold" where storage.filesystem.path is outside of /var/lib/atcr-hold, else null'';
    };
    url = mkOption {
      type = url;
      example = "https://hold.example.org";
      description = "Where the world reaches the hold. Without `did` it makes the DID, and can never be changed then.";
    };
    did = mkOption {
      type = did;
      default = facts.didOf cfg.url;
      defaultText = literalExpression ''"did:web:<host of url>"'';
      example = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
      description = "The DID of the hold, for other modules to use. To be set only where the hold moved in from another program with a did:plc.";
    };
    owner = mkOption {
      type = did;
      example = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
      description = "DID of the captain, who may do everything.";
    };
    public = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether anyone may pull.";
    };
    allowAllCrew = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether any account may join the crew by itself, to read and write.";
    };
    crew = mkOption {
      type = types.attrsOf (types.submodule member);
      default = { };
      example = literalExpression ''{ "did:plc:ewvi7nxzyoun6zhxrhs64oiz".permissions = [ "blob:write" ]; }'';
      description = "Crew by DID. A member is added, changed, and removed again with its declaration, without a restart.";
    };
    successor = mkOption {
      type = types.nullOr did;
      default = null;
      example = "did:web:next.example.org";
      description = "DID of the hold that follows this one: who asks for a blob that is not here is sent there.";
    };
    mutableCrew = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether members who joined at run time may stay. `false`: the crew is exactly what is declared.";
    };
    tiers = mkOption {
      type = types.attrsOf (types.submodule tier);
      default = { };
      example = literalExpression ''{ bosun.quota = "50 GB"; }'';
      description = "Quota tiers by name; without any there are no quotas. The captain has none.";
    };
    newCrewTier = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "deckhand";
      description = "The tier of members who have none of their own; `null` is the smallest.";
    };
    appviews = mkOption {
      type = types.listOf did;
      default = [ ];
      example = literalExpression ''[ "did:web:atcr.io" ]'';
      description = "DIDs of the registry front ends that may put members into tiers.";
    };
    blueskyPosts = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether a push may make a post of the hold's account; the captain record says whether it does.";
    };
    relays = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "bsky.network" ]'';
      description = "Hosts of relays that are asked to crawl the hold, so that the network sees it.";
    };
    profile = {
      displayName = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "The harbour";
        description = "The name that atproto software shows; `null` is the host.";
      };
      description = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "Layers of our own images.";
        description = "The sentence that atproto software shows; `null` is one of the hold's own.";
      };
      avatar = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = literalExpression "./harbour.png";
        description = "A PNG or JPEG of at most 1,000,000 bytes, beside the configuration; it becomes public.";
      };
    };
    storage = mkOption {
      type = types.attrTag {
        filesystem = mkOption {
          type = types.submodule storage.filesystem;
          example = literalExpression ''{ path = "/srv/blobs"; }'';
          description = "Blobs are files of this machine.";
        };
        s3 = mkOption {
          type = types.submodule storage.s3;
          example = literalExpression ''{ bucket = "layers"; }'';
          description = "Blobs are objects of an S3 service.";
        };
        gcs = mkOption {
          type = types.submodule storage.gcs;
          example = literalExpression ''{ bucket = "layers"; serviceAccountFile = "/run/keys/google.json"; }'';
          description = "Blobs are objects of Google Cloud Storage.";
        };
        azure = mkOption {
          type = types.submodule storage.azure;
          example = literalExpression ''{ account = "harbour"; container = "layers"; accessKeyFile = "/run/keys/azure"; }'';
          description = "Blobs are objects of Azure Blob Storage.";
        };
      };
      default.filesystem = { };
      defaultText = literalExpression "{ filesystem = { }; }";
      example = literalExpression ''{ s3.bucket = "layers"; }'';
      description = "Where the blobs are: exactly one of the four kinds. `package` is by itself one that has it.";
    };
    gc = {
      enable = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = ''
          Whether the hold removes blobs that no manifest names and nobody uses, by itself, once a day or so. See first
          what would go: `atcr-hold gc --dry-run`.
        '';
      };
      schedule = mkOption {
        type = types.strMatching "([01][0-9]|2[0-3]):[0-5][0-9]|[1-9][0-9]{0,3}h";
        default = "03:30";
        example = "6h";
        description = "When it does: a time of day in UTC, or every so many hours.";
      };
      graceDays = mkOption {
        type = types.addCheck types.int (days: days >= 1) // {
          description = "days, at least 1";
        };
        default = 1;
        example = 7;
        description = "For so many days after its last use a blob is kept that no manifest names.";
      };
    };
    signingKeyFile = secretFile {
      example = "/run/keys/hold-signing-key";
      description = ''
        File with the signing key, 64 hexadecimal digits, read by systemd as root at each start. `null`: the hold makes
        one at its first start, in `/var/lib/atcr-hold/keys`, and it must be backed up.
      '';
    };
    nginx = common.nginx // {
      sendBlobs = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = ''
          Whether nginx sends the bytes of local blobs itself, when the hold answers with `X-Accel-Redirect`. nginx gets
          to read the blob directory, which must be outside of `/var/lib/atcr-hold`. The location has headers of its own,
          so nginx drops those of the `http` block there, and NixOS's check of the configuration (gixy) refuses
          `add_header` in `services.nginx.commonHttpConfig` beside it: set such headers per host, in `extraConfig`.
        '';
      };
    };
  };
}
