# The store is away while the hold starts.
{
  imports = [ ./garage.nix ];
}
