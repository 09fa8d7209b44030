# From the options to the tables of the daemon's TOML file (src/appview/config/raw.rs). Pure: it must not know systemd.
{ lib, cfg }:
lib.filterAttrsRecursive (_: value: value != null) {
  base_url = cfg.url;
  default_hold = cfg.defaultHold;
  allowed_accounts = cfg.allowedAccounts;
  # What stands in `settings` alone goes on.
  jetstream_urls = if cfg.jetstreamUrls == [ ] then null else cfg.jetstreamUrls;
  relay_url = cfg.relayUrl;
  admin.socket = lib.mkDefault "/run/atcr-appview/admin.sock";
  database.path = lib.mkDefault "/var/lib/atcr-appview/appview.db";
}
