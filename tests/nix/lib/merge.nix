# How definitions become the value of an option: conditions, priorities, unknown names, wrong types.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatLists
    concatStringsSep
    filter
    foldl'
    head
    isAttrs
    length
    map
    mapAttrs
    match
    removeAttrs
    ;
  showOption =
    loc:
    concatStringsSep "." (
      map (part: if match "[a-zA-Z_<][a-zA-Z0-9_'>-]*" part != null then part else ''"${part}"'') loc
    );

  # Values that carry more than themselves: mkIf, mkMerge, mkDefault, mkForce.
  isA = kind: value: isAttrs value && value._type or null == kind;
  # One definition into those that hold, with their priority (lower wins).
  discharge =
    def:
    if isA "if" def.value then
      (if def.value.condition then discharge (def // { value = def.value.content; }) else [ ])
    else if isA "merge" def.value then
      concatLists (map (value: discharge (def // { inherit value; })) def.value.contents)
    else if isA "override" def.value then
      map (d: d // { inherit (def.value) priority; }) (discharge (def // { value = def.value.content; }))
    else
      [ ({ priority = 100; } // def) ];
  # A definition of a set into one definition a name, without looking at conditions: they may depend on the result.
  pushDown =
    def:
    if isA "if" def.value then
      map (mapAttrs (_: d: d // { value = lib.mkIf def.value.condition d.value; })) (
        pushDown (def // { value = def.value.content; })
      )
    else if isA "merge" def.value then
      concatLists (map (value: pushDown (def // { inherit value; })) def.value.contents)
    else if isA "override" def.value then
      map (mapAttrs (
        _: d:
        d
        // {
          value = def.value // {
            content = d.value;
          };
        }
      )) (pushDown (def // { value = def.value.content; }))
    else if isAttrs def.value then
      [ (mapAttrs (_: value: def // { inherit value; }) def.value) ]
    else
      throw "A definition of a set is no set (in ${def.file}).";
  # [ { a = def; } { a = def; b = def; } ] -> { a = [ def def ]; b = [ def ]; }
  zip = sets: builtins.zipAttrsWith (_: defs: defs) sets;

  # The same, without the names of which no definition holds.
  holding =
    defs:
    lib.filterAttrs (_: found: found != [ ]) (
      mapAttrs (_: given: strongest (concatLists (map discharge given))) (
        zip (concatLists (map pushDown defs))
      )
    );

  # Those of the best priority.
  strongest =
    defs:
    let
      best = foldl' (p: d: if d.priority < p then d.priority else p) 9999 defs;
    in
    filter (d: d.priority == best) defs;

  evalOption =
    loc: option: given:
    let
      defs = concatLists (map discharge given);
      all' =
        defs
        ++ (
          if option ? default then
            [
              {
                file = "default";
                value = option.default;
                priority = 1500;
              }
            ]
          else
            [ ]
        );
      winners = strongest all';
      wrong = filter (d: !option.type.check d.value) winners;
    in
    if winners == [ ] then
      (
        if option.type ? empty then
          option.type.empty
        else
          throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
      )
    else if option.readOnly or false && length all' > 1 then
      throw "The option `${showOption loc}' is read-only, but it's set multiple times."
    else if wrong != [ ] then
      throw "A definition for option `${showOption loc}' is not of type `${option.type.description}'. Definition values:\n- In `${(head wrong).file}'"
    else
      (option.apply or (value: value)) (option.type.merge loc winners);
  evalTree =
    loc: options: defs:
    if isA "option" options then
      evalOption loc options defs
    else
      let
        given = zip (concatLists (map pushDown defs));
        unknown = attrNames (removeAttrs given (attrNames options));
      in
      if unknown != [ ] then
        throw "The option `${
          showOption (loc ++ [ (head unknown) ])
        }' does not exist. Definition values:\n- In `${(head given.${head unknown}).file}'"
      else
        mapAttrs (name: option: evalTree (loc ++ [ name ]) option (given.${name} or [ ])) options;

in
{
  inherit
    isA
    discharge
    pushDown
    zip
    holding
    evalOption
    evalTree
    showOption
    ;
}
