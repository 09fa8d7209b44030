# What `nix run` runs that is no package's main program: the scripts that write images.
packages:
builtins.mapAttrs
  (_: image: {
    type = "app";
    program = "${image}";
  })
  {
    inherit (packages) image appview-image;
  }
