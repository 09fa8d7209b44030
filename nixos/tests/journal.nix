# What the hold logs, and what it must not, however much it logs.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold.settings.log_level = "trace";
}
