# The Python SDK, for the Python 3.12 that has the JAX it was made for.
{
  autoPatchelfHook,
  darwin,
  elodin-py-wheel,
  elodinVersion,
  fixDarwinDylibNames,
  gfortran,
  lib,
  pythonWithJax,
  runCommand,
  stdenv,
  xlaExtension,
}: let
  inherit (stdenv.hostPlatform) isDarwin isLinux;
  inherit (pythonWithJax) pkgs;

  elodin-py = pkgs.buildPythonPackage {
    pname = "elodin";
    # 0.16.2-alpha.0 is 0.16.2a0 to Python.
    version = lib.replaceStrings ["-alpha."] ["a"] elodinVersion;
    format = "wheel";
    src = elodin-py-wheel;
    # A directory, because nothing else knows the wheel's name.
    unpackPhase = ''
      mkdir dist
      cp $src/*.whl dist/
    '';
    nativeBuildInputs =
      lib.optional isLinux autoPatchelfHook
      ++ lib.optionals isDarwin [fixDarwinDylibNames darwin.cctools];
    buildInputs = [xlaExtension (lib.getLib gfortran.cc)];
    dependencies = [
      pkgs.jax
      pkgs.jaxlib
      pkgs.matplotlib
      pkgs.numpy
      pkgs.polars
      pkgs.pytest
      pkgs.typing-extensions
    ];
    pythonImportsCheck = ["elodin"];
    passthru = {
      wheel = elodin-py-wheel;
      tests.import =
        runCommand "elodin-py-import" {
          nativeBuildInputs = [(pythonWithJax.withPackages (_: [elodin-py]))];
        } ''
          python -c 'import elodin, jax; assert jax.__version__ == "0.4.31"' && touch $out
        '';
    };
    meta = {
      description = "Elodin's Python SDK: simulations on JAX";
      homepage = "https://github.com/elodin-sys/elodin";
      license = with lib.licenses; [mit asl20];
      inherit (elodin-py-wheel.meta) platforms;
    };
  };
in
  elodin-py
