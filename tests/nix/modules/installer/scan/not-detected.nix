# In the place of the nixpkgs module that nixos-generate-config names.
{ }
