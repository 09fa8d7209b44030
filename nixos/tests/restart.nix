# Restarts under load: systemd keeps the sockets, so nobody is turned away.
{
  imports = [ ./common/machine.nix ];
}
