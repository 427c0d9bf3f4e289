# Sets made from lists and from directories, with builtins only: the outputs that need no input must be found
# without one, so nothing here may come from nixpkgs.
let
  setOf' = nameOf: list: f:
    builtins.listToAttrs (map (it: {
        name = nameOf it;
        value = f it;
      })
      list);
  setOf = setOf' (it: it);

  # The Nix files of a directory, without their suffix.
  names = directory: let
    entries = builtins.readDir directory;
    match = file: builtins.match "(.*)\\.nix" file;
  in
    map (file: builtins.head (match file))
    (builtins.filter (file: entries.${file} == "regular" && match file != null) (builtins.attrNames entries));

  # One attribute per Nix file of a directory: what `call` makes of it.
  callDirectory = directory: call: setOf (names directory) (name: call (directory + "/${name}.nix"));
in {
  inherit callDirectory names setOf setOf';
}
