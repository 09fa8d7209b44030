# The hold as an OCI image: the program and what it links, root certificates, two directories. No shell, no root.
{
  cacert,
  dockerTools,
  package,
}:
let
  user = "65532";
in
dockerTools.buildLayeredImage {
  name = "atcr-hold";
  tag = package.version;
  # Else the image would change with every build.
  created = "1970-01-01T00:00:01Z";

  fakeRootCommands = ''
    mkdir -p ./var/lib/atcr-hold/blobs ./tmp
    chmod 1777 ./tmp
    chmod -R 0700 ./var/lib/atcr-hold
    chown -R ${user}:${user} ./var/lib/atcr-hold
  '';
  enableFakechroot = false;

  config = {
    Entrypoint = [ "${package}/bin/atcr-hold" ];
    User = "${user}:${user}";
    WorkingDir = "/var/lib/atcr-hold";
    Env = [
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
      "STORAGE_ROOT_DIR=/var/lib/atcr-hold/blobs"
    ];
    ExposedPorts."8080/tcp" = { };
    Volumes."/var/lib/atcr-hold" = { };
    StopSignal = "SIGTERM";
  };
}
