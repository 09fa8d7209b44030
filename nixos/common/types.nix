# Types that the options of several daemons share.
{ lib }:
{
  url =
    lib.types.addCheck lib.types.str (
      text:
      builtins.match "https://[a-z0-9-]+([.][a-z0-9-]+)+" text != null
      || builtins.match "http://localhost:[0-9]+" text != null
    )
    // {
      description = "URL like https://hold.example.org, lower case, without a port, a path or a trailing slash; or http://localhost:8080 to try it out";
    };
  did = lib.types.addCheck lib.types.str (import ./facts.nix).isDid // {
    description = "DID like did:plc:ewvi7nxzyoun6zhxrhs64oiz or did:web:example.org";
  };
}
