# The machine of `nix run .#vm`: a hold and the front end to try out, at http://localhost:8080 and http://localhost:5000 of
# the host, without TLS, and Garage at http://localhost:3900 for the blobs. Its disk is a file in the working directory.
# Accounts are real ones: their PDSes must be reachable.
{
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  keys = "/var/lib/garage-bucket";
in
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
    # By signed URLs of the same address inside the machine and outside.
    storage.s3 = {
      bucket = "layers";
      region = "garage";
      endpoint = "http://localhost:3900";
      forcePathStyle = true;
      accessKeyIdFile = "${keys}/id";
      secretAccessKeyFile = "${keys}/secret";
    };
  };
  services.garage = {
    enable = true;
    package = pkgs.garage_2;
    settings = {
      replication_factor = 1;
      rpc_bind_addr = "127.0.0.1:3901";
      rpc_public_addr = "127.0.0.1:3901";
      rpc_secret = "0000000000000000000000000000000000000000000000000000000000000001"; # nobody else reaches it
      s3_api.s3_region = "garage";
      s3_api.api_bind_addr = "[::]:3900";
    };
  };
  # The bucket and a key to it, once.
  systemd.services.garage-bucket = {
    description = "Bucket of the hold";
    requires = [ "garage.service" ];
    after = [ "garage.service" ];
    requiredBy = [ "atcr-hold.service" ];
    before = [ "atcr-hold.service" ];
    path = [ pkgs.garage_2 ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      StateDirectory = baseNameOf keys;
      StateDirectoryMode = "0700";
    };
    script = ''
      [ ! -e ${keys}/secret ] || exit 0
      until garage status; do sleep 1; done
      garage layout assign -z here -c 10G "$(garage node id -q | cut -d @ -f 1)"
      garage layout apply --version 1
      id=GK$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
      secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
      garage key import --yes -n hold "$id" "$secret"
      garage bucket create layers
      garage bucket allow --read --write layers --key "$id"
      printf %s "$id" > ${keys}/id
      printf %s "$secret" > ${keys}/secret
    '';
  };
  networking.firewall.allowedTCPPorts = [ 3900 ];
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
    memorySize = 2048;
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
          3900
        ];
  };
  system.stateVersion = lib.trivial.release;
}
