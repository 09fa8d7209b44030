# The options of services.atcr-appview: what a person may write, with types that refuse the rest.
# This file must not know how options reach the daemon (settings.nix) or systemd (service.nix).
{ config, lib, ... }:
let
  inherit (lib) literalExpression mkOption types;
  hold = config.services.atcr-hold or { };
  inherit (import ../common/types.nix { inherit lib; }) url did;
  secretFile = import ../common/secret.nix { inherit lib; };
  common = import ../common/options.nix {
    inherit lib config;
    name = "atcr-appview";
    title = "registry";
    metricsPort = 9465;
    secretVariable = "ATCR_AUTH_KEY";
    settingsExample = ''{ log_level = "debug"; limits.requests_per_address = 200; }'';
    requestsPerClient = ''
      How many requests one client, an address or a /64 of IPv6, may have under way through nginx; more get 429. The
      registry takes 1,024 connections (`settings.limits.connections`), of which each request has one: the default
      leaves three quarters to the others.
    '';
  };
in
{
  options.services.atcr-appview = common // {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether to run a registry front end: what `docker push` and `docker pull` talk to. Manifests go into the user's
        own PDS, blobs into a hold.
      '';
    };
    url = mkOption {
      type = url;
      example = "https://registry.example.org";
      description = "Where clients reach the registry. Its host is what image names begin with.";
    };
    defaultHold = mkOption {
      type = types.nullOr did;
      default = if hold.enable or false then hold.did else null;
      defaultText = literalExpression "if config.services.atcr-hold.enable then config.services.atcr-hold.did else null";
      example = "did:web:hold.example.org";
      description = ''
        DID of the hold of accounts that have none of their own; `null`: they cannot push, and are told so. Whether it
        takes them is for that hold to say, by its crew.
      '';
    };
    allowedAccounts = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "alice.example.org" ]'';
      description = "DIDs or handles of those who may push here; empty: whoever their hold lets.";
    };
    jetstreamUrls = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = literalExpression ''[ "wss://jetstream2.us-east.bsky.network" ]'';
      description = ''
        Jetstreams whose events searches follow, so that they find what users of other registries push, too: one at a
        time, the next one when it fails. Empty: searches find what passes through here.
      '';
    };
    relayUrl = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://bsky.network";
      description = ''
        Base URL of a relay or a PDS that is asked once who has images, and whose own firehose is followed where there is
        no Jetstream; `null`: none.
      '';
    };
    authKeyFile = secretFile {
      example = "/run/keys/appview-auth-key";
      description = ''
        File with the key that tokens come from, 64 hexadecimal digits, read by systemd as root at each start. `null`:
        the registry makes one at its first start, in `/var/lib/atcr-appview/keys`.
      '';
    };
  };
}
