# Garage, the S3 server that people who host themselves run, with nothing in it yet, and the bucket that a test makes there
# before the hold starts.
{ pkgs, ... }:
{
  services.atcr-hold = {
    startAtBoot = false;
    storage.s3 = {
      bucket = "layers";
      region = "garage";
      forcePathStyle = true;
    };
  };
  environment.systemPackages = [ pkgs.garage_2 ];
  environment.etc."garage.toml".text = ''
    metadata_dir = "/var/lib/garage/meta"
    data_dir = "/var/lib/garage/data"
    db_engine = "sqlite"
    replication_factor = 1
    rpc_bind_addr = "127.0.0.1:3901"
    rpc_public_addr = "127.0.0.1:3901"
    rpc_secret = "0000000000000000000000000000000000000000000000000000000000000001"

    [s3_api]
    s3_region = "garage"
    api_bind_addr = "127.0.0.1:3900"
  '';
  systemd.services.garage = {
    description = "S3 server of the test";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      StateDirectory = "garage";
      ExecStart = "${pkgs.garage_2}/bin/garage -c /etc/garage.toml server";
    };
  };
}
