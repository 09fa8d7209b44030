# Blobs in the state directory: in, out, and refused.
{
  imports = [ ./common/machine.nix ];
}
