# The part of the nixpkgs library that the module uses, for machines without nixpkgs: options, types, merging, messages.
# It belongs to the tests and is held against the real library wherever that can be had (tests/nix.sh).
let
  inherit (builtins)
    attrValues
    concatLists
    concatStringsSep
    elem
    filter
    foldl'
    isAttrs
    isFunction
    isList
    listToAttrs
    map
    mapAttrs
    removeAttrs
    stringLength
    substring
    toString
    ;
  merge = import ./merge.nix { inherit lib; };
  types = import ./types.nix { inherit merge docs; };
  inherit (merge) isA evalTree showOption;
  nameValue = name: value: { inherit name value; };
  pretty =
    value:
    if value == [ ] then
      "[ ]"
    else if value == { } then
      "{ }"
    else if isList value || isAttrs value then
      throw "Write this default or example as a literalExpression."
    else
      builtins.toJSON value;
  render =
    value: if isA "literalExpression" value then value else lib.literalExpression (pretty value);
  docs =
    loc: options:
    concatLists (
      attrValues (
        mapAttrs (
          name: option:
          let
            here = loc ++ [ name ];
          in
          if !isA "option" option then
            docs here option
          else
            [
              (
                {
                  loc = here;
                  name = showOption here;
                  inherit (option) description;
                  type = option.type.description;
                  readOnly = option.readOnly or false;
                  internal = false;
                  visible = true;
                }
                // (if option ? example then { example = render option.example; } else { })
                // (
                  if option ? defaultText || option ? default then
                    { default = render (option.defaultText or option.default); }
                  else
                    { }
                )
              )
            ]
            ++ option.type.sub here
        ) options
      )
    );
  lib = {
    inherit types;
    inherit (merge) showOption;
    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    # Which of two packages gives a file that both have is for a newer Nix to say.
    hiPrio = package: package;
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: values: if condition then values else { };
    optionalString = condition: text: if condition then text else "";
    concatMapStringsSep =
      separator: f: list:
      concatStringsSep separator (map f list);
    filterAttrs =
      keep: set:
      listToAttrs (filter (pair: keep pair.name pair.value) (attrValues (mapAttrs nameValue set)));
    filterAttrsRecursive =
      keep: set:
      mapAttrs (_: v: if isAttrs v then lib.filterAttrsRecursive keep v else v) (
        lib.filterAttrs keep set
      );
    mapAttrsToList = f: set: attrValues (mapAttrs f set);
    hasSuffix = suffix: text: lib.removeSuffix suffix text != text;
    genAttrs = names: f: listToAttrs (map (name: nameValue name (f name)) names);
    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    importJSON = file: builtins.fromJSON (builtins.readFile file);
    importTOML = file: builtins.fromTOML (builtins.readFile file);
    modules.importApply = import;
    trivial.release = "26.05";
    licenses.mit.spdxId = "MIT";
    platforms.unix = [ ];
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removeSuffix =
      suffix: text:
      let
        n = stringLength text - stringLength suffix;
      in
      if n >= 0 && substring n (-1) text == suffix then substring 0 n text else text;
    removePrefix =
      prefix: text: if lib.hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    unique = foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];
    toInt = builtins.fromJSON;
    escapeShellArg =
      text:
      if builtins.match "[[:alnum:],._+:@%/-]+" text != null then
        text
      else
        "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
    optionAttrSetToDocList = docs [ ];
    evalModules =
      {
        modules,
        specialArgs ? { },
      }:
      let
        load =
          file: module:
          let
            m = if isFunction module then module (specialArgs // { inherit config lib; }) else module;
            body = removeAttrs m [
              "imports"
              "options"
              "config"
            ];
          in
          [
            {
              key = file;
              options = m.options or { };
              config = {
                inherit file;
                value = m.config or body;
              };
            }
          ]
          ++ concatLists (map open (m.imports or [ ]));
        open =
          module:
          if isAttrs module || isFunction module then
            load "<unknown-file>" module
          else
            load (toString module) (import module);
        # A file counts once, however often it is imported. What is imported is merged before what imports it.
        loaded = foldl' (
          seen: module:
          if module.key != "<unknown-file>" && elem module.key (map (one: one.key) seen) then
            seen
          else
            [ module ] ++ seen
        ) [ ] (concatLists (map open modules));
        join =
          a: b:
          if isA "option" a || isA "option" b then
            a // b
          else
            a // mapAttrs (name: value: if a ? ${name} then join a.${name} value else value) b;
        options = foldl' join { } (map (m: m.options) loaded);
        config = evalTree [ ] options (map (m: m.config) loaded);
      in
      {
        inherit config options;
      };
  };
in
lib
