# How a module becomes a system: one for the board, one that installs it, and one to flash firmware from.
{
  lib,
  nixosModules,
  nixosSystem,
}: let
  alephSystem = module:
    nixosSystem {
      modules = [{nixpkgs.hostPlatform = lib.mkDefault "aarch64-linux";} module];
    };
in {
  inherit alephSystem;

  # The same module twice: as it is to be installed, and on an image for a USB stick that carries the former.
  installerSystem = module: let
    installed = alephSystem module;
  in
    alephSystem {
      imports = [module nixosModules.sd-image nixosModules.installer];
      aleph.installer.system = installed.config.system.build.toplevel;
    };

  # Cross-compiled: what flashes runs on x86, what is flashed on the board.
  firmwareSystem = module:
    nixosSystem {
      modules = [
        nixosModules.jetpack
        module
        {
          nixpkgs = {
            buildPlatform = "x86_64-linux";
            hostPlatform = "aarch64-linux";
          };
        }
      ];
    };
}
