# A program as an OCI image: the package and what it links, root certificates, its directory. No shell, no root. The result
# is a script that writes the image to its standard output: no archive of it is kept in the store.
{
  cacert,
  dockerTools,
  package,
  program,
  port,
  # More of the environment.
  environment ? [ ],
}:
let
  user = "65532";
  state = "/var/lib/${program}";
in
dockerTools.streamLayeredImage {
  name = program;
  tag = package.version;
  # Else the image would change with every build.
  created = "1970-01-01T00:00:01Z";

  fakeRootCommands = ''
    mkdir -p ./${state}/blobs ./tmp
    chmod 1777 ./tmp
    chmod -R 0700 ./${state}
    chown -R ${user}:${user} ./${state}
  '';
  enableFakechroot = false;

  config = {
    Entrypoint = [ "${package}/bin/${program}" ];
    User = "${user}:${user}";
    WorkingDir = state;
    Env = [
      "SSL_CERT_FILE=${cacert}/etc/ssl/certs/ca-bundle.crt"
    ]
    ++ environment;
    ExposedPorts."${toString port}/tcp" = { };
    Volumes.${state} = { };
    StopSignal = "SIGTERM";
    Labels = {
      "org.opencontainers.image.title" = program;
      "org.opencontainers.image.version" = package.version;
      "org.opencontainers.image.licenses" = package.meta.license.spdxId;
      "org.opencontainers.image.source" = package.meta.homepage;
      "org.opencontainers.image.description" = package.meta.description;
    };
  };
}
