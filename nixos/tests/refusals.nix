# Tokens of every wrong kind, each beside the right one.
{
  imports = [ ./common/machine.nix ];
}
