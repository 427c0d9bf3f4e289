# elodinOverlay: the packages of ./pkgs under `elodin`, one file each, found by directory. They see each other, all of
# nixpkgs and what is listed below; `elodin.overrideScope` changes any of it for all of them.
{
  crane,
  elodin,
  rust-overlay,
}: final: _: let
  files = import ./files.nix;
in {
  elodin = final.lib.makeScope final.newScope (self: let
    inherit (self) callPackage;
  in
    {
      # The source tree and the version in its root manifest. A build must not see the commit (`elodin.rev`): each
      # new one would build everything again.
      elodinSource = elodin;
      elodinVersion = (fromTOML (builtins.readFile "${elodin}/Cargo.toml")).workspace.package.version;

      # The source states its toolchain; nixpkgs' own is older than its crates ask for. A function, so that cross
      # builds get one that runs on the builder; `mkRustBin`, so that users of this overlay get no second one.
      craneLib = (crane.mkLib final).overrideToolchain (
        pkgs: (rust-overlay.lib.mkRustBin {} pkgs).fromRustupToolchainFile "${elodin}/rust-toolchain.toml"
      );
      workspaceToolchain = (rust-overlay.lib.mkRustBin {} final).fromRustupToolchainFile ../rust-toolchain.toml;

      cargoWorkspace = import ./rust/workspace.nix {
        inherit (final) lib;
        root = elodin;
      };
      mkRustPackage = callPackage ./rust/mk-rust-package.nix {};

      pythonWithJax = callPackage ./deps/python-with-jax.nix {};
      xlaExtension = callPackage ./deps/xla-extension.nix {};
      axesCube = callPackage ./deps/axes-cube.nix {};
      graphicsEnvironment = callPackage ./deps/graphics-environment.nix {};
      docsSite = callPackage ./deps/docs-site.nix {};
      mkImage = callPackage ./mk-image.nix {};

      images = files.callDirectory ./images (file: callPackage file {});
    }
    // files.callDirectory ./pkgs (file: callPackage file {}));
}
