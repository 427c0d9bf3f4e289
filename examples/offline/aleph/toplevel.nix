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
    paths = [
      (directory ./system "aleph-system")
      (directory configuration "aleph-${name}")
    ];
    meta.description = "The system of an Aleph, configuration ${name}";
  }
