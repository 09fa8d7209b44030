# Metrics on a socket of their own, which also starts the hold.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold = {
    startAtBoot = false;
    metrics.enable = true;
  };
}
