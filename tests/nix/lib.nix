# The part of the nixpkgs library that the module uses, for machines without nixpkgs: options, types, merging, messages.
# It belongs to the tests and is held against the real library wherever that can be had (tests/nix.sh).
let
  inherit (builtins)
    all attrNames attrValues concatLists concatStringsSep elem elemAt filter foldl' head isAttrs isBool isFunction isInt
    isList isString length listToAttrs map mapAttrs match removeAttrs stringLength substring toString tail typeOf
    ;
  nameValue = name: value: { inherit name value; };
  fold = foldl' (a: b: a // b) { };
  showOption = loc: concatStringsSep "." (map (part: if match "[a-zA-Z_<][a-zA-Z0-9_'>-]*" part != null then part else ''"${part}"'') loc);

  # Values that carry more than themselves: mkIf, mkMerge, mkDefault, mkForce.
  isA = kind: value: isAttrs value && value._type or null == kind;
  # One definition into those that hold, with their priority (lower wins).
  discharge = def:
    if isA "if" def.value then (if def.value.condition then discharge (def // { value = def.value.content; }) else [ ])
    else if isA "merge" def.value then concatLists (map (value: discharge (def // { inherit value; })) def.value.contents)
    else if isA "override" def.value then map (d: d // { inherit (def.value) priority; }) (discharge (def // { value = def.value.content; }))
    else [ ({ priority = 100; } // def) ];
  # A definition of a set into one definition a name, without looking at conditions: they may depend on the result.
  pushDown = def:
    if isA "if" def.value then map (mapAttrs (_: d: d // { value = lib.mkIf def.value.condition d.value; })) (pushDown (def // { value = def.value.content; }))
    else if isA "merge" def.value then concatLists (map (value: pushDown (def // { inherit value; })) def.value.contents)
    else if isA "override" def.value then map (mapAttrs (_: d: d // { value = def.value // { content = d.value; }; })) (pushDown (def // { value = def.value.content; }))
    else if isAttrs def.value then [ (mapAttrs (_: value: def // { inherit value; }) def.value) ]
    else throw "A definition of a set is no set (in ${def.file}).";
  # [ { a = def; } { a = def; b = def; } ] -> { a = [ def def ]; b = [ def ]; }
  zip = sets: builtins.zipAttrsWith (_: defs: defs) sets;

  # The same, without the names of which no definition holds.
  holding = defs: lib.filterAttrs (_: found: found != [ ]) (mapAttrs (_: given: concatLists (map discharge given)) (zip (concatLists (map pushDown defs))));

  evalOption = loc: option: given:
    let
      defs = concatLists (map discharge given);
      all' = defs ++ (if option ? default then [ { file = "default"; value = option.default; priority = 1500; } ] else [ ]);
      best = foldl' (p: d: if d.priority < p then d.priority else p) 9999 all';
      winners = filter (d: d.priority == best) all';
      wrong = filter (d: !option.type.check d.value) winners;
    in
    if winners == [ ] then
      (if option.type ? empty then option.type.empty else throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.")
    else if option.readOnly or false && length all' > 1 then throw "The option `${showOption loc}' is read-only, but it's set multiple times."
    else if wrong != [ ] then throw "A definition for option `${showOption loc}' is not of type `${option.type.description}'. Definition values:\n- In `${(head wrong).file}'"
    else option.type.merge loc winners;
  evalTree = loc: options: defs:
    if isA "option" options then evalOption loc options defs
    else
      let given = zip (concatLists (map pushDown defs)); unknown = attrNames (removeAttrs given (attrNames options));
      in
      if unknown != [ ] then throw "The option `${showOption (loc ++ [ (head unknown) ])}' does not exist. Definition values:\n- In `${(head given.${head unknown}).file}'"
      else mapAttrs (name: option: evalTree (loc ++ [ name ]) option (given.${name} or [ ])) options;

  one = loc: defs:
    if all (d: d.value == (head defs).value) defs then (head defs).value
    else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.";
  plain = description: check: { inherit description check; merge = one; sub = _: [ ]; };
  mergeAny = loc: defs:
    if all (d: isAttrs d.value && !(d.value ? outPath)) defs then mapAttrs (name: mergeAny (loc ++ [ name ])) (holding defs)
    else if all (d: isList d.value) defs then concatLists (map (d: d.value) defs)
    else one loc defs;
  inner = type: loc: def: evalOption loc { inherit type; } [ def ];
  phrase = type: if elem type.class or "noun" [ "noun" "composite" ] then type.description else "(${type.description})";

  types = {
    str = plain "string" isString;
    bool = plain "boolean" isBool;
    package = plain "package" (v: isAttrs v && v ? outPath);
    anything = plain "anything" (_: true) // { merge = mergeAny; };
    raw = types.anything;
    strMatching = pattern: plain "string matching the pattern ${pattern}" (v: isString v && match pattern v != null);
    enum = values: plain "one of ${concatStringsSep ", " (map (v: ''"${v}"'') values)}" (v: elem v values) // { class = "conjunction"; };
    pathWith = { absolute, inStore }: assert absolute && !inStore; plain "absolute path not in the Nix store" (v: isString v && substring 0 1 v == "/" && substring 0 11 v != "/nix/store/");
    addCheck = type: check: type // { check = v: type.check v && check v; };
    nullOr = type: type // { description = "null or ${phrase type}"; check = v: v == null || type.check v; empty = null; class = "conjunction";
      merge = loc: defs: if all (d: d.value == null) defs then null else type.merge loc defs; };
    listOf = type: plain "list of ${phrase type}" isList // { class = "composite"; inherit (type) sub;
      empty = [ ];
      merge = loc: defs: concatLists (map (d: builtins.genList (i: inner type (loc ++ [ "[definition 1-entry ${toString (i + 1)}]" ]) (d // { value = elemAt d.value i; priority = 100; })) (length d.value)) defs); };
    nonEmptyListOf = type: types.addCheck (removeAttrs (types.listOf type) [ "empty" ]) (v: v != [ ]) // { description = "non-empty (${(types.listOf type).description})"; };
    attrsOf = type: plain "attribute set of ${phrase type}" isAttrs // { class = "composite"; empty = { };
      sub = loc: type.sub (loc ++ [ "<name>" ]);
      merge = loc: defs: mapAttrs (name: evalOption (loc ++ [ name ]) { inherit type; }) (holding defs); };
    submodule = module: plain "submodule" isAttrs // { class = "clause"; empty = evalTree [ ] module.options [ ];
      sub = loc: docs loc module.options;
      merge = loc: defs: evalTree loc module.options defs; };
    attrTag = tags: plain "attribute-tagged union with choices: ${concatStringsSep ", " (attrNames tags)}" isAttrs // {
      sub = loc: docs loc tags;
      merge = loc: defs:
        let given = zip (concatLists (map pushDown defs)); chosen = attrNames given;
        in
        if length chosen != 1 then throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique."
        else if !(tags ? ${head chosen}) then throw "${showOption (loc ++ chosen)} is not a declared choice of ${showOption loc}."
        else evalTree loc (builtins.intersectAttrs given tags) defs; };
  };

  pretty = value:
    if value == [ ] then "[ ]" else if value == { } then "{ }"
    else if isList value || isAttrs value then throw "Write this default or example as a literalExpression."
    else builtins.toJSON value;
  render = value: if isA "literalExpression" value then value else lib.literalExpression (pretty value);
  docs = loc: options: concatLists (attrValues (mapAttrs (name: option:
    let here = loc ++ [ name ];
    in
    if !isA "option" option then docs here option
    else [ ({ loc = here; name = showOption here; inherit (option) description; type = option.type.description; readOnly = option.readOnly or false; internal = false; visible = true; }
        // (if option ? example then { example = render option.example; } else { })
        // (if option ? defaultText || option ? default then { default = render (option.defaultText or option.default); } else { }))
      ] ++ option.type.sub here) options));
  lib = {
    inherit types showOption;
    mkOption = option: option // { _type = "option"; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: values: if condition then values else { };
    optionalString = condition: text: if condition then text else "";
    concatMapStringsSep = separator: f: list: concatStringsSep separator (map f list);
    filterAttrs = keep: set: listToAttrs (filter (pair: keep pair.name pair.value) (attrValues (mapAttrs nameValue set)));
    filterAttrsRecursive = keep: set: mapAttrs (_: v: if isAttrs v then lib.filterAttrsRecursive keep v else v) (lib.filterAttrs keep set);
    mapAttrsToList = f: set: attrValues (mapAttrs f set);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removeSuffix = suffix: text: let n = stringLength text - stringLength suffix; in if n >= 0 && substring n (-1) text == suffix then substring 0 n text else text;
    removePrefix = prefix: text: if lib.hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    unique = foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];
    toInt = builtins.fromJSON;
    replaceStrings = builtins.replaceStrings;
    optionAttrSetToDocList = docs [ ];
    evalModules = { modules, specialArgs ? { } }:
      let
        load = file: module:
          let m = if isFunction module then module (specialArgs // { inherit config lib; }) else module; body = removeAttrs m [ "imports" "options" "config" ];
          in
          [ { options = m.options or { }; config = { inherit file; value = m.config or body; }; } ] ++ concatLists (map open (m.imports or [ ]));
        open = module: if isAttrs module || isFunction module then load "<unknown-file>" module else load (toString module) (import module);
        loaded = concatLists (map open modules);
        join = a: b: if isA "option" a || isA "option" b then b else a // mapAttrs (name: value: if a ? ${name} then join a.${name} value else value) b;
        options = foldl' join { } (map (m: m.options) loaded);
        config = evalTree [ ] options (map (m: m.config) loaded);
      in
      { inherit config options; };
  };
in
lib
