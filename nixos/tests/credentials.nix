# Secrets come as credentials: the hold has them, and nobody else finds them.
{
  imports = [ ./common/machine.nix ];
  services.atcr-hold = {
    startAtBoot = false;
    signingKeyFile = "/run/keys/hold-signing-key";
    environmentFile = "/run/keys/hold.env";
    settings.log_level = "debug";
  };
}
