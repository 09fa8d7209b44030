# What several files of the module have to agree on.
rec {
  # Which DIDs can be resolved, and so be crew. <https://atproto.com/specs/did>
  isDid =
    text:
    builtins.match "did:plc:[a-z2-7]{24}" text != null
    || builtins.match "did:web:[a-z0-9-]+([.][a-z0-9-]+)+" text != null
    || builtins.match "did:web:localhost%3A[0-9]+" text != null;

  # The DID of a service at this URL.
  didOf = url: "did:web:" + builtins.replaceStrings [ "https://" "http://" ":" ] [ "" "" "%3A" ] url;

  stateDirectory = "/var/lib/atcr-hold";
  isInState = path: builtins.match "${stateDirectory}(/.*)?" path != null;

  # Places that the sandbox hides from the service, or that are emptied.
  isHidden = path: builtins.match "/(home|root|tmp|var/tmp|run/user)(/.*)?" path != null;

  # What no path may have that stands in a unit's list, its command or nginx's file.
  isPlain = path: builtins.match ".*[[:space:]%;$\"'\\].*" path == null;

  # What systemd listens on: a path, an abstract socket, a port, or an address with one; no host name and no scheme.
  isStream =
    text:
    builtins.match "/.*|@.+|vsock:.+|[0-9]{1,5}|[0-9.]+:[0-9]{1,5}|\\[[0-9a-fA-F:.]+(%[^]]+)?]:[0-9]{1,5}" text
    != null;

  # An address that only this machine reaches.
  isLoopback = stream: builtins.match "(127[.][0-9.]+|\\[::1]|localhost):[0-9]+" stream != null;
}
