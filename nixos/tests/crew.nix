# Crew by declaration: added, changed, removed, and made the only one, by switching the system.
{
  imports = [ ./common/machine.nix ];
  system.switch.enable = true;
  specialisation.added.configuration = {
    services.atcr-hold.crew."did:plc:aliceaaaaaaaaaaaaaaaaaaa".permissions = [ "blob:write" ];
  };
  specialisation.changed.configuration = {
    services.atcr-hold.crew."did:plc:aliceaaaaaaaaaaaaaaaaaaa".permissions = [ "blob:read" ];
  };
  specialisation.strict.configuration = {
    services.atcr-hold.mutableCrew = false;
  };
  specialisation.public.configuration = {
    services.atcr-hold.public = true;
  };
}
