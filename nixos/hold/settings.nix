# From the options to the tables of the daemon's TOML file (src/hold/config/raw.rs). Pure: it must not know systemd.
# `withFrontEnd`: clients send their parts to a program on this machine, and nothing but the options says what to do.
{
  lib,
  cfg,
  withFrontEnd,
}:
let
  facts = import ../common/facts.nix;
  known = lib.filterAttrsRecursive (_: value: value != null);

  storage =
    if cfg.storage ? s3 then
      {
        driver = "s3";
        inherit (cfg.storage.s3) presigned;
        s3 = {
          inherit (cfg.storage.s3)
            bucket
            region
            endpoint
            prefix
            ;
          public_endpoint = cfg.storage.s3.publicEndpoint;
          force_path_style = cfg.storage.s3.forcePathStyle;
          pull_zone = cfg.storage.s3.pullZone;
        };
      }
    else if cfg.storage ? gcs then
      {
        driver = "gcs";
        inherit (cfg.storage.gcs) presigned;
        gcs = removeAttrs cfg.storage.gcs [
          "serviceAccountFile"
          "presigned"
        ];
      }
    else if cfg.storage ? azure then
      {
        driver = "azure";
        inherit (cfg.storage.azure) presigned;
        azure = removeAttrs cfg.storage.azure [
          "accessKeyFile"
          "presigned"
        ];
      }
    else
      {
        driver = "filesystem";
        root_dir = cfg.storage.filesystem.path;
      };
in
{
  # What the whole file is made of. Secrets are not here: the daemon finds them among its credentials.
  all = known (
    {
      public_url = cfg.url;
      did = if cfg.did == facts.didOf cfg.url then null else cfg.did;
      inherit (cfg)
        owner
        public
        relays
        crew
        successor
        appviews
        ;
      new_crew_tier = cfg.newCrewTier;
      bluesky_posts = cfg.blueskyPosts;
      allow_all_crew = cfg.allowAllCrew;
      mutable_crew = cfg.mutableCrew;
      admin.socket = lib.mkDefault "/run/atcr-hold/admin.sock";
      profile = {
        display_name = cfg.profile.displayName;
        inherit (cfg.profile) description;
        # Copied to the store, so that it is there when the configuration is checked.
        avatar = if cfg.profile.avatar == null then null else "${cfg.profile.avatar}";
      };
      database.path = lib.mkDefault "/var/lib/atcr-hold/hold.db";
      inherit storage;
      gc = {
        enabled = cfg.gc.enable;
        inherit (cfg.gc) schedule;
        grace_s = cfg.gc.graceDays * 24 * 3600;
      };
    }
    // lib.optionalAttrs (cfg.tiers != { }) { inherit (cfg) tiers; }
    // lib.optionalAttrs cfg.nginx.sendBlobs { server.accel_redirect = "/.blobs/"; }
  );

  # Settings with what goes past the hold, where neither they say it, under any of its names, nor an option.
  complete =
    settings:
    let
      isSaid =
        settings ? storage.presigned
        || settings ? storage.disable_presigned_urls
        || settings ? storage.s3.disable_presigned_urls;
    in
    if withFrontEnd && !(cfg.storage ? filesystem) && !isSaid then
      settings
      // {
        storage = settings.storage or { } // {
          presigned = "downloads";
        };
      }
    else
      settings;

  # A reload follows the live options; a change of any other has to restart the hold.
  fixedAtStart = import ../common/fixed.nix {
    inherit lib;
    liveOptions = ./live-options.json;
  };
}
