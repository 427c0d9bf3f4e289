{
  description = "Elodin's Nix world: packages, dev shell, container images and the Linux builder";

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
    # The last release that supports nixpkgs 25.05.
    crane.url = "github:ipetkov/crane/v0.21.3";
    # The source of the packages. `cargo xtask build --src DIR` puts a local checkout in its place.
    elodin = {
      url = "github:elodin-sys/elodin/9ada5b72b4f1cc4cee2fdf23a01525cb1b4c97df";
      flake = false;
    };
  };

  outputs = {
    self,
    nixpkgs,
    rust-overlay,
    crane,
    elodin,
  }: let
    files = import ./nix/files.nix;
    linux = ["x86_64-linux" "aarch64-linux"];
    systems = linux ++ ["aarch64-darwin"];
    onEach = systems: f: files.setOf systems f;

    overlay = import ./nix/overlay.nix {inherit crane elodin rust-overlay;};
    pkgsFor = onEach systems (system:
      import nixpkgs {
        inherit system;
        overlays = [overlay];
      });
    # What a directory has, by name. Only builtins look at it: `packages.<system>.selftest` must be there
    # before any input is, and a set's names are needed to find one in it.
    packageNames = files.names ./nix/pkgs;
    imageNames = files.names ./nix/images;
    isLinux = system: builtins.elem system linux;
  in {
    overlays.default = overlay;

    packages = onEach systems (system: let
      inherit (pkgsFor.${system}) elodin;
    in
      {
        selftest = import ./nix/selftest.nix {inherit system;};
        default = elodin.elodin-cli;
        # `cargo xtask image push` uses it where the machine has none.
        inherit (pkgsFor.${system}) skopeo;
      }
      // files.setOf packageNames (name: elodin.${name})
      // (
        if isLinux system
        then files.setOf' (name: "image-${name}") imageNames (name: elodin.images.${name})
        else {}
      ));

    devShells = onEach systems (system: let
      shell = full: pkgsFor.${system}.elodin.callPackage ./nix/shell.nix {inherit full;};
    in {
      default = shell false;
      full = shell true;
    });

    formatter = onEach systems (system: pkgsFor.${system}.alejandra);

    checks = onEach systems (system:
      files.callDirectory ./nix/checks (file:
        pkgsFor.${system}.elodin.callPackage file {
          inherit self;
        }));

    nixosConfigurations =
      files.setOf' (system:
        if system == "aarch64-linux"
        then "orbstack"
        else "orbstack-x86_64")
      linux (system:
        nixpkgs.lib.nixosSystem {
          modules = [
            ./nix/hosts/orbstack.nix
            {nixpkgs.hostPlatform = system;}
          ];
        });
  };
}
