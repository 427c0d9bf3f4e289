# What the packages say about themselves when they run.
{
  elodin-cli,
  elodin-db,
  elodin-py,
  elodinsink,
  lib,
  linkFarm,
  ...
}:
linkFarm "package-tests" (lib.concatMap
  (package:
    lib.mapAttrsToList (name: test: {
      name = "${package.pname}-${name}";
      path = test;
    })
    package.tests)
  [elodin-cli elodin-db elodin-py elodinsink])
