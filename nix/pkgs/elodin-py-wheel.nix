# The Python SDK as a wheel, for any Python from 3.10 on.
{
  cmake,
  emptyDirectory,
  gfortran,
  lib,
  maturin,
  mkRustPackage,
  python312,
  stdenv,
  xlaExtension,
}: let
  inherit (stdenv.hostPlatform) isDarwin isLinux;
in
  mkRustPackage {
    pname = "elodin-py-wheel";
    crate = "nox-py";
    directory = "libs/nox-py";
    features = ["publish"];
    extraFiles = [".h" ".hpp" ".jinja" ".cc" ".cpp" ".py" ".pyi" "/py.typed" "/pyproject.toml" "/README.md"];
    extraPaths = ["libs/postcard-c/postcard.h"];
    nativeBuildInputs = [
      maturin
      # A build script asks it where it lives.
      python312
      # For the reference LAPACK, which a crate builds from source and links statically.
      cmake
      gfortran
    ];
    # LAPACK's build script runs CMake itself.
    dontUseCmakeConfigure = true;
    buildInputs = [(lib.getLib gfortran.cc)];
    env =
      {
        # Without it the build script would download it.
        XLA_EXTENSION_DIR = "${xlaExtension}";
      }
      // lib.optionalAttrs isLinux {
        # GCC 14 made an error of what the C parts of that LAPACK do.
        NIX_CFLAGS_COMPILE = "-Wno-error=incompatible-pointer-types";
      }
      // lib.optionalAttrs isDarwin {
        # Any directory does: it stops the download of a Metal plugin that is not linked.
        JAX_METAL_DIR = "${emptyDirectory}";
        NIX_LDFLAGS = "-lc++";
        # The platform in the wheel's name.
        MACOSX_DEPLOYMENT_TARGET = "11.0";
      };
    # The plain linux tag, asked for: maturin would try manylinux first and fall back to this, with a warning.
    buildPhaseCargoCommand = ''
      maturin build --offline --release ${lib.optionalString isLinux "--compatibility linux"} \
        --manifest-path libs/nox-py/Cargo.toml --target-dir target --out dist
    '';
    doNotPostBuildInstallCargoBinaries = true;
    # Its name says version and platform in Python's way, so do not guess it.
    installPhaseCommand = ''
      mkdir -p $out
      set -- dist/elodin-*.whl
      [ "$#" -eq 1 ] || { echo "expected one wheel: $*" >&2; exit 1; }
      cp "$1" $out/
    '';
    meta = {
      description = "Elodin's Python SDK, as a wheel";
      license = with lib.licenses; [mit asl20];
      # What there is an XLA for.
      platforms = ["x86_64-linux" "aarch64-linux" "aarch64-darwin"];
    };
  }
