# An option for a secret: it is named by its path on the target machine, never by its text.
{ lib }:
arguments:
lib.mkOption (
  {
    type = lib.types.nullOr (
      lib.types.pathWith {
        absolute = true;
        inStore = false;
      }
    );
    default = null;
  }
  // arguments
)
