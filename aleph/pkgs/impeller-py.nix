# Python bindings to the database's protocol, for Python 3.12 only (it is no abi3 module), as a package of its set.
{
  elodinVersion,
  lib,
  maturin,
  mkRustPackage,
  python312,
  stdenv,
}: let
  wheel = mkRustPackage {
    pname = "impeller-py-wheel";
    crate = "impeller_py";
    directory = "fsw/udp_component_broadcast/impeller_py";
    features = ["pyo3/extension-module"];
    extraFiles = ["/pyproject.toml"];
    nativeBuildInputs = [maturin python312];
    buildInputs = [python312];
    buildPhaseCargoCommand = ''
      maturin build --offline --release ${lib.optionalString stdenv.hostPlatform.isLinux "--compatibility linux"} \
        --manifest-path fsw/udp_component_broadcast/impeller_py/Cargo.toml --target-dir target --out dist
    '';
    doNotPostBuildInstallCargoBinaries = true;
    # The name has the architecture in it, so do not write it down.
    installPhaseCommand = ''
      mkdir -p $out
      cp dist/impeller_py-*.whl $out/
    '';
    meta = {
      description = "Python bindings to the protocol of Elodin-DB, as a wheel";
      license = lib.licenses.mit;
    };
  };
in
  python312.pkgs.buildPythonPackage {
    pname = "impeller-py";
    version = lib.replaceStrings ["-alpha."] ["a"] elodinVersion;
    format = "wheel";
    src = wheel;
    unpackPhase = ''
      mkdir dist
      cp $src/*.whl dist/
    '';
    pythonImportsCheck = ["impeller_py"];
    passthru = {inherit wheel;};
    meta = {
      description = "Python bindings to the protocol of Elodin-DB";
      homepage = "https://github.com/elodin-sys/elodin";
      license = lib.licenses.mit;
      platforms = lib.platforms.linux;
    };
  }
