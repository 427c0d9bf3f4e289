# Everything this workspace has for one system. Packages and checks are found by directory: a new
# file is a new attribute, and its arguments are filled in by name (nixpkgs' `callPackage`, small).
{system}: let
  builders = {
    mkDerivation = import ./mk-derivation.nix {inherit system;};
    mkDirectory = import ./mk-directory.nix {
      inherit system;
      inherit (builders) mkDerivation;
    };
    mkEnv = import ./mk-env.nix {inherit system;};
  };

  callFile = path: let
    f = import path;
    scope =
      packages
      // builders
      // {
        inherit system;
        lib = ./lib;
      };
  in
    f (builtins.intersectAttrs (builtins.functionArgs f) scope);

  callDirectory = directory:
    builtins.listToAttrs (map (file: {
      name = builtins.head (builtins.match "(.*)\\.nix" file);
      value = callFile (directory + "/${file}");
    }) (builtins.attrNames (builtins.readDir directory)));

  mkToplevel = callFile ../aleph/toplevel.nix;

  packages =
    callDirectory ./pkgs
    // {
      default = packages.report;
      toplevel = mkToplevel "default";
    };
in {
  inherit mkToplevel packages;
  checks = callDirectory ./checks;
  shell = callFile ./shell.nix;
}
