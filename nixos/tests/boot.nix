# Socket activation, readiness, watchdog, restart, refusal to start.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold = {
    startAtBoot = false;
    listen.streams = [
      "/run/atcr-hold.sock"
      "127.0.0.1:8080"
    ];
  };
}
