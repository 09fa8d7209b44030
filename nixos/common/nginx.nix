# What nginx needs once, however many of our daemons are behind it.
{ config, lib, ... }:
let
  isUsed = name: (config.services.${name}.enable or false) && config.services.${name}.nginx.enable;
  zones = {
    atcr-hold = "atcr_hold";
    atcr-appview = "atcr_appview";
  };
  used = builtins.filter isUsed (builtins.attrNames zones);
in
{
  config = lib.mkIf (used != [ ]) {
    services.nginx.enable = true;
    # Each request takes two, the client's and the daemon's: for 1,024 of them, and as many clients that wait.
    services.nginx.eventsConfig = lib.mkDefault "worker_connections 4096;";
    services.nginx.appendConfig = lib.mkDefault "worker_rlimit_nofile 8192;";
    services.nginx.commonHttpConfig = ''
      # One client: an address, or of IPv6 what one customer of a provider has, a /64.
      map $remote_addr $atcr_client {
        "~^(?<atcr_network>[0-9a-f]+(:[0-9a-f]+){0,3}):" $atcr_network;
        default $remote_addr;
      }
      # 80,000 clients at once, of 128 bytes each.
      ${lib.concatMapStringsSep "\n" (
        name: "limit_conn_zone $atcr_client zone=${zones.${name}}:10m;"
      ) used}
    '';
  };
}
