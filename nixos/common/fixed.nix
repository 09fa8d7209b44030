# Of a daemon's settings those that only a restart can follow: what is not on its list of live options, which is the daemon's
# own: its table of options makes the file, and its tests keep it so.
{ lib, liveOptions }:
let
  live = lib.importJSON liveOptions;
  fixed =
    prefix: settings:
    lib.filterAttrs (_: value: value != { }) (
      builtins.mapAttrs (
        name: value: if builtins.isAttrs value then fixed "${prefix}${name}." value else value
      ) (lib.filterAttrs (name: _: !(builtins.elem "${prefix}${name}" live)) settings)
    );
in
fixed ""
