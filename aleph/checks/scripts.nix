# The scripts, built: writeShellApplication runs shellcheck over them.
{
  linkFarm,
  self,
  stdenv,
}:
linkFarm "aleph-scripts" (
  if stdenv.hostPlatform.isAarch64
  then
    map (name: {
      inherit name;
      path = self.packages.aarch64-linux.${name};
    }) ["aleph-installer" "aleph-scan" "flash-mcu" "make-esp" "reset-mcu" "set-hostname"]
  else []
)
