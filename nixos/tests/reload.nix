# A changed configuration, followed without a restart.
{
  imports = [ ./common/machine.nix ];
}
