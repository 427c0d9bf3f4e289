# The configurations of the flight computer: one per directory in ./configurations, in the shape
# that NixOS' own have as far as the tools look.
{world}: let
  # An Aleph is an aarch64 board, whatever machine this is evaluated on.
  system = "aarch64-linux";
  firstLine = file: builtins.head (builtins.split "\n" (builtins.readFile file));
in
  builtins.mapAttrs (name: _: {
    config = {
      networking.hostName = firstLine (./configurations + "/${name}/etc/hostname");
      nixpkgs.hostPlatform.system = system;
      system.build = {
        toplevel = world.${system}.mkToplevel name;
        sdImage = world.${system}.packages.sdimage;
      };
    };
  })
  (builtins.readDir ./configurations)
