{
  description = "NixOS for the Aleph flight computer: modules, images and a template";

  nixConfig = {
    extra-substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"];
    extra-trusted-public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="];
  };

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    crane.url = "github:ipetkov/crane/v0.21.3";
    elodin = {
      url = "github:elodin-sys/elodin/9ada5b72b4f1cc4cee2fdf23a01525cb1b4c97df";
      flake = false;
    };
    # The last one whose own flake is for nixos-25.05.
    jetpack = {
      url = "github:anduril/jetpack-nixos/2c98c9d6c326d67ae5f4909db61238d31352e18c";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = {
    self,
    nixpkgs,
    rust-overlay,
    crane,
    elodin,
    jetpack,
  }: let
    inherit (nixpkgs) lib;
    files = import ../nix/files.nix;
    modules = import ./modules.nix {
      inherit files jetpack lib;
      inherit (self) overlays;
    };
    system = import ./system.nix {
      inherit lib;
      inherit (nixpkgs.lib) nixosSystem;
      inherit (self) nixosModules;
    };
    pkgsFor = files.setOf ["aarch64-linux" "x86_64-linux"] (system:
      import nixpkgs {
        inherit system;
        overlays = [self.overlays.default];
      });
  in {
    overlays = {
      default = lib.composeManyExtensions [
        (import ../nix/overlay.nix {inherit crane elodin rust-overlay;})
        (import ./overlay.nix)
      ];
      jetpack = lib.composeManyExtensions [
        jetpack.overlays.default
        (import ./jetpack-sources.nix)
      ];
    };

    nixosModules = modules.all;

    lib = {inherit (system) installerSystem;};

    nixosConfigurations = {
      # What a factory image runs: everything, and root on the debug console to set it up from.
      default = system.alephSystem {imports = modules.full ++ [./factory.nix];};
      installer = system.installerSystem {imports = modules.base ++ [./factory.nix];};
      flash-uefi = system.firmwareSystem ./flash-uefi.nix;
    };

    packages = {
      aarch64-linux =
        files.setOf (files.names ./pkgs) (name: pkgsFor.aarch64-linux.aleph.${name})
        // {
          default = self.packages.aarch64-linux.toplevel;
          toplevel = self.nixosConfigurations.default.config.system.build.toplevel;
          sdimage = self.nixosConfigurations.installer.config.system.build.sdImage;
        };
      # NVIDIA's flash tools are programs for x86.
      x86_64-linux.flash-uefi = self.nixosConfigurations.flash-uefi.config.system.build.legacyFlashScript;
    };

    devShells =
      builtins.mapAttrs (_: pkgs: {
        default = pkgs.mkShell {
          name = "aleph";
          packages = [pkgs.aleph.aleph-scan pkgs.tio pkgs.zstd];
        };
      })
      pkgsFor;

    checks = builtins.mapAttrs (_: pkgs: files.callDirectory ./checks (file: pkgs.callPackage file {inherit self;})) pkgsFor;

    templates.default = {
      path = ./template;
      description = "Your own image for the Aleph flight computer";
    };
  };
}
