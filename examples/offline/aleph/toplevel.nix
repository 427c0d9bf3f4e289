# The stand-in for a NixOS system: a closure that can be copied to a machine and activated there.
#
# It is joined from files of this repository by a builtin builder, so any machine can build it for
# any system: an x86 laptop without emulation deploys to an aarch64 board.
{mkEnv}: name: let
  directory = path: label:
    builtins.path {
      inherit path;
      name = label;
    };
  configuration = ./configurations + "/${name}";
in
  mkEnv {
    pname = "nixos-system-${name}";
    version = builtins.head (builtins.split "\n" (builtins.readFile (configuration + "/nixos-version")));
    # The first two both have a `bin`, so here it is a directory and not a link to one: a program
    # in it finds its system by its own path (Nix 2.34 resolves links when it makes a PATH).
    paths = [
      (directory ./system "aleph-system")
      (directory ./tools "aleph-tools")
      (directory configuration "aleph-${name}")
    ];
    meta.description = "The system of an Aleph, configuration ${name}";
  }
