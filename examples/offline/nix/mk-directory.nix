# A derivation whose output is a directory with one entry, `directory`, and anything in there.
# `script` prints a tar archive of it (see ./lib/tar.sh); why, says ./mk-derivation.nix.
{
  system,
  mkDerivation,
}: {
  pname,
  version,
  directory,
  meta ? {},
  ...
} @ args:
derivation {
  name = "${pname}-${version}";
  inherit system;
  outputs = ["out"];
  builder = "builtin:unpack-channel";
  src = mkDerivation (removeAttrs args ["directory" "meta"] // {suffix = ".tar";});
  channelName = directory;
  allowSubstitutes = false;
  preferLocalBuild = true;
}
// {inherit pname version meta;}
