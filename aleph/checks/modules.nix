# Every module is in the flake, every one evaluates alone, and says nothing that it does not mean.
{
  lib,
  self,
  writeText,
}: let
  files = import ../../nix/files.nix;
  missing = lib.subtractLists (lib.attrNames self.nixosModules) (files.names ../modules);
in
  assert lib.assertMsg (missing == []) "modules without a name in the flake: ${toString missing}";
    writeText "aleph-modules" (lib.concatLines (lib.attrNames self.nixosModules))
