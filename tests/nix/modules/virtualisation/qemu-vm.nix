# In the place of the nixpkgs module of the same name.
{ }
