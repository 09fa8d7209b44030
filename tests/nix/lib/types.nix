# The types of options: a check, a merge, and the options inside.
{
  merge,
  docs,
}:
let
  inherit (merge)
    pushDown
    zip
    holding
    evalOption
    evalTree
    showOption
    ;
  inherit (builtins)
    all
    attrNames
    concatLists
    concatStringsSep
    elem
    elemAt
    head
    isAttrs
    isBool
    isInt
    isList
    isString
    length
    map
    mapAttrs
    match
    removeAttrs
    substring
    toString
    ;
  one =
    loc: defs:
    if all (d: d.value == (head defs).value) defs then
      (head defs).value
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.";
  plain = description: check: {
    inherit description check;
    merge = one;
    sub = _: [ ];
  };
  mergeAny =
    loc: defs:
    if all (d: isAttrs d.value && !(d.value ? outPath)) defs then
      mapAttrs (name: mergeAny (loc ++ [ name ])) (holding defs)
    else if all (d: isList d.value) defs then
      concatLists (map (d: d.value) defs)
    else
      one loc defs;
  inner =
    type: loc: def:
    evalOption loc { inherit type; } [ def ];
  # The description, in parentheses unless the type is of one of these classes.
  phrase =
    classes: type:
    if elem type.class or "noun" classes then type.description else "(${type.description})";
  # What stands beside another word, and what holds others.
  beside = phrase [
    "noun"
    "conjunction"
  ];
  held = phrase [
    "noun"
    "composite"
  ];

  types = {
    str = plain "string" isString;
    bool = plain "boolean" isBool;
    int = plain "signed integer" isInt;
    package = plain "package" (v: isAttrs v && v.type or null == "derivation");
    anything = plain "anything" (_: true) // {
      merge = mergeAny;
    };
    raw = types.anything;
    strMatching =
      pattern: plain "string matching the pattern ${pattern}" (v: isString v && match pattern v != null);
    enum =
      values:
      plain "one of ${concatStringsSep ", " (map (v: ''"${v}"'') values)}" (v: elem v values)
      // {
        class = "conjunction";
      };
    pathWith =
      { absolute, inStore }:
      assert absolute && !inStore;
      plain "absolute path not in the Nix store" (
        v: isString v && substring 0 1 v == "/" && substring 0 11 v != "/nix/store/"
      );
    path = plain "absolute path" (v: builtins.isPath v || isString v && substring 0 1 v == "/");
    addCheck = type: check: type // { check = v: type.check v && check v; };
    nullOr =
      type:
      type
      // {
        description = "null or ${beside type}";
        check = v: v == null || type.check v;
        empty = null;
        class = "conjunction";
        merge = loc: defs: if all (d: d.value == null) defs then null else type.merge loc defs;
      };
    listOf =
      type:
      plain "list of ${held type}" isList
      // {
        class = "composite";
        inherit (type) sub;
        empty = [ ];
        merge =
          loc: defs:
          concatLists (
            map (
              d:
              builtins.genList (
                i:
                inner type (loc ++ [ "[definition 1-entry ${toString (i + 1)}]" ]) (
                  d
                  // {
                    value = elemAt d.value i;
                    priority = 100;
                  }
                )
              ) (length d.value)
            ) defs
          );
      };
    nonEmptyListOf =
      type:
      types.addCheck (removeAttrs (types.listOf type) [ "empty" ]) (v: v != [ ])
      // {
        description = "non-empty (${(types.listOf type).description})";
      };
    attrsOf =
      type:
      plain "attribute set of ${held type}" isAttrs
      // {
        class = "composite";
        empty = { };
        sub = loc: type.sub (loc ++ [ "<name>" ]);
        merge = loc: defs: mapAttrs (name: evalOption (loc ++ [ name ]) { inherit type; }) (holding defs);
      };
    submodule =
      module:
      plain "submodule" isAttrs
      // {
        class = "clause";
        empty = evalTree [ ] module.options [ ];
        sub = loc: docs loc module.options;
        merge = loc: defs: evalTree loc module.options defs;
      };
    attrTag =
      tags:
      plain "attribute-tagged union with choices: ${concatStringsSep ", " (attrNames tags)}" (
        v: isAttrs v && length (attrNames v) == 1 && tags ? ${head (attrNames v)}
      )
      // {
        sub = loc: docs loc tags;
        merge =
          loc: defs:
          let
            given = zip (concatLists (map pushDown defs));
          in
          if length (attrNames given) != 1 then
            throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique."
          else
            evalTree loc (builtins.intersectAttrs given tags) defs;
      };
  };

in
types
