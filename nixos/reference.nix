# The options reference, as Markdown, from the options themselves. nixos/*/options.md are kept equal to it by the checks.
{
  lib,
  # The program, and its options.
  name,
  options,
}:
let
  code = label: value: if value == null then "" else "\n- ${label}: ${quote value.text}";
  quote = text: if builtins.match ".*`.*" text != null then "`` ${text} ``" else "`${text}`";
  ours = option: !(builtins.elem "_module" option.loc);
  entry = option: ''
    ## ${builtins.replaceStrings [ "<name>" ] [ "\\<name>" ] option.name}

    ${lib.removeSuffix "\n" option.description}

    - Type: ${option.type}${code "Default" (option.default or null)}${
      code "Example" (option.example or null)
    }${if option.readOnly then "\n- Read-only." else ""}
  '';
in
''
  # The options of services.${name}

  Made from `nixos/${lib.removePrefix "atcr-" name}/options.nix` and `nixos/common/options.nix` by `bash tests/nix.sh --write`; do not edit it here.

  ${builtins.concatStringsSep "\n" (
    map entry (builtins.filter ours (lib.optionAttrSetToDocList options))
  )}''
