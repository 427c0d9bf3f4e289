# A derivation that joins directories into one of symbolic links, as a profile does.
{system}: {
  pname,
  version,
  paths,
  meta ? {},
}:
derivation {
  name = "${pname}-${version}";
  inherit system;
  outputs = ["out"];
  builder = "builtin:buildenv";
  # Per directory: active, priority, number of outputs, path.
  derivations = map (path: ["true" "5" "1" path]) paths;
  # The builder links this as manifest.nix, whether there is one or not.
  manifest = builtins.toFile "manifest.nix" "[]\n";
  allowSubstitutes = false;
  preferLocalBuild = true;
}
// {inherit pname version meta;}
