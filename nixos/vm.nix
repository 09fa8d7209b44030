# The machine of `nix run .#vm`: a hold and the front end to try out, at http://localhost:8080 and http://localhost:5000 of
# the host, without TLS. Its disk is a file in the working directory. Accounts are real ones: their PDSes must be reachable.
{ lib, modulesPath, ... }:
{
  imports = [ "${modulesPath}/virtualisation/qemu-vm.nix" ];

  services.atcr-hold = {
    enable = true;
    url = "http://localhost:8080";
    owner = lib.mkDefault "did:plc:ewvi7nxzyoun6zhxrhs64oiz"; # another's: nobody can do much here before it is yours
    public = true;
    allowAllCrew = true;
    listen.streams = [ "8080" ];
    openFirewall = true;
    settings.test_mode = true; # the front end's hold is at a loopback address
  };
  services.atcr-appview = {
    enable = true;
    url = "http://localhost:5000";
    listen.streams = [ "5000" ];
    openFirewall = true;
    settings.test_mode = true;
  };

  networking.hostName = "registry";
  services.getty.autologinUser = "root";
  virtualisation = {
    memorySize = 1024;
    graphics = false;
    forwardPorts =
      map
        (port: {
          from = "host";
          host.port = port;
          guest.port = port;
        })
        [
          8080
          5000
        ];
  };
  system.stateVersion = lib.trivial.release;
}
