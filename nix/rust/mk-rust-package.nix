# One crate of the source, built with crane: the dependencies in one derivation, the crate in another, so that an
# edit to the crate does not build the world again.
{
  cargoWorkspace,
  craneLib,
  elodinSource,
  elodinVersion,
  formats,
  lib,
  libiconv,
  stdenv,
}: {
  pname,
  # The name of the crate, and its directory in the source.
  crate ? pname,
  directory,
  version ? elodinVersion,
  # Features besides the default ones.
  features ? [],
  buildInputs ? [],
  # Endings of files other than Rust's that the crate or a path crate reads while it compiles.
  extraFiles ? [],
  # Such files that are in no crate's directory, by their paths from the root.
  extraPaths ? [],
  meta ? {},
  postPatch ? "",
  ...
} @ args: let
  workspace = cargoWorkspace.around directory;

  # `builtins.path` and not `cleanSourceWith`: crane looks at the source that was *before* such a filter, and would
  # see, and depend on, the manifests of all the other members.
  src = builtins.path {
    name = "${pname}-source";
    path = "${elodinSource}";
    filter = path: type: let
      # What comes before the root's name may differ: a store need not be at /nix/store.
      rootName = builtins.unsafeDiscardStringContext (baseNameOf "${elodinSource}");
      file = lib.removePrefix "/" (lib.concatStringsSep rootName (lib.tail (lib.splitString rootName path)));
      endsIn = lib.any (ending: lib.hasSuffix ending file) ([".rs" "/Cargo.toml"] ++ extraFiles);
    in
      if type == "directory"
      then workspace.leadsTo file || workspace.owns "${file}/" || lib.any (lib.hasPrefix "${file}/") extraPaths
      else lib.elem file extraPaths || (workspace.owns file && endsIn);
  };

  # The manifest of the smaller workspace; the source's own is left out, or each change to it would build all again.
  # The lock goes the same way: crane writes `cargoLockParsed`.
  manifest = (formats.toml {}).generate "Cargo.toml" workspace.manifest;
  useManifest = ''
    cp --no-preserve=mode ${manifest} Cargo.toml
  '';

  common =
    removeAttrs args ["crate" "directory" "extraFiles" "extraPaths" "features" "meta" "passthru" "postInstall" "postFixup"]
    // {
      inherit pname version src;
      strictDeps = true;
      # Rust's standard library wants it there, whatever the crate is.
      buildInputs = buildInputs ++ lib.optional stdenv.hostPlatform.isDarwin libiconv;
      # Tests are the source's own CI's.
      doCheck = false;
      cargoLockParsed = workspace.lock;
      # Not `--locked`: Cargo may leave out of the lock what the smaller workspace does not reach. It cannot put
      # anything in, there is nothing but the vendored crates.
      cargoExtraArgs =
        "--offline --package ${crate}"
        + lib.optionalString (features != []) " --features ${lib.concatStringsSep "," features}";
      cargoVendorDir = craneLib.vendorCargoDeps {
        inherit src;
        cargoLockParsed = workspace.lock;
        outputHashes = import ./output-hashes.nix;
      };
      postPatch = useManifest + postPatch;
    };

  cargoArtifacts = craneLib.buildDepsOnly (removeAttrs common ["postPatch" "buildPhaseCargoCommand" "installPhaseCommand"]
    // {
      extraDummyScript = ''
        cp --no-preserve=mode ${manifest} $out/Cargo.toml
      '';
    });
in
  craneLib.buildPackage (common
    // lib.intersectAttrs {
      postInstall = null;
      postFixup = null;
    }
    args
    // {
      inherit cargoArtifacts;
      passthru = {inherit cargoArtifacts;} // args.passthru or {};
      meta =
        {
          homepage = "https://github.com/elodin-sys/elodin";
          platforms = lib.platforms.linux ++ ["aarch64-darwin"];
        }
        // meta;
    })
