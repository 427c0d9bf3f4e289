{
  alsa-lib,
  axesCube,
  elodin-py,
  graphicsEnvironment,
  lib,
  makeWrapper,
  mkRustPackage,
  pkg-config,
  pythonWithJax,
  runCommand,
  rustPlatform,
  stdenv,
  udev,
}: let
  inherit (stdenv.hostPlatform) isDarwin isLinux;
  # Simulations are Python programs that import the SDK.
  python = pythonWithJax.withPackages (_: [elodin-py]);

  elodin-cli = mkRustPackage {
    pname = "elodin-cli";
    crate = "elodin";
    directory = "apps/elodin";
    # Shaders, textures, fonts and models of the editor, and READMEs that are its help.
    extraFiles = [".wgsl" ".ktx2" ".ttf" ".png" ".glb" "README.md"];
    nativeBuildInputs =
      [makeWrapper]
      ++ lib.optional isLinux pkg-config
      # Only Apple's audio bindings are made with bindgen.
      ++ lib.optional isDarwin rustPlatform.bindgenHook;
    # Windows, keyboards and graphics are found at run time; only these two are linked.
    buildInputs = lib.optionals isLinux [alsa-lib udev];
    # An archive of the repository has a pointer in the place of what is stored with Git LFS. It compiles all the
    # same, and the editor then has no view cube. A checkout may have the file itself.
    postPatch = ''
      cube=libs/elodin-editor/src/assets/axes-cube.glb
      if head -c 32 "$cube" | grep -q '^version https://git-lfs'; then
        cp --no-preserve=mode ${axesCube} "$cube"
      fi
    '';
    # No PYTHONPATH: `elodin run` prefers uv, and this Python's packages would end up in whatever Python uv takes.
    postFixup = ''
      wrapProgram $out/bin/elodin \
        --suffix PATH : ${lib.makeBinPath [python]} ${lib.optionalString isLinux (lib.concatStringsSep " " (
        ["--prefix LD_LIBRARY_PATH : ${lib.makeLibraryPath graphicsEnvironment.libraries}"]
        ++ lib.mapAttrsToList (name: value: "--set-default ${name} ${lib.escapeShellArg value}") graphicsEnvironment.variables
      ))}
    '';
    passthru.tests.version =
      runCommand "elodin-cli-version" {
        nativeBuildInputs = [elodin-cli];
      } ''
        export HOME=$TMPDIR XDG_DATA_HOME=$TMPDIR
        # The first start only greets and makes its directory.
        elodin --version
        elodin --version > $out
      '';
    meta = {
      description = "Editor and runner of Elodin simulations";
      license = with lib.licenses; [mit asl20];
      mainProgram = "elodin";
    };
  };
in
  elodin-cli
