# The published wheel: a build of it takes half a day.
{
  autoPatchelfHook,
  buildPythonPackage,
  fetchPypi,
  lib,
  ml-dtypes,
  numpy,
  scipy,
  stdenv,
}: let
  inherit (stdenv.hostPlatform) isLinux system;
  wheels = {
    x86_64-linux = {
      platform = "manylinux2014_x86_64";
      hash = "sha256-Hxr6X9WKYPZ/DKWG4mcUrs5i6qLIM0wk0OgoWvxKfM0=";
    };
    aarch64-linux = {
      platform = "manylinux2014_aarch64";
      hash = "sha256-TYZ6GgVlsxz9qrvsgeAwLGRhuyrEuSwEZwMo15WBmAM=";
    };
    aarch64-darwin = {
      platform = "macosx_11_0_arm64";
      hash = "sha256-yficGFKH5A7oFzpxQtZJUxHncs0TmpPcqT8NmcGHKDI=";
    };
  };
in
  buildPythonPackage {
    pname = "jaxlib";
    version = "0.4.31";
    format = "wheel";
    src = fetchPypi ({
        pname = "jaxlib";
        version = "0.4.31";
        format = "wheel";
        dist = "cp312";
        python = "cp312";
        abi = "cp312";
      }
      // wheels.${system} or (throw "jaxlib 0.4.31 has no wheel for ${system}"));
    nativeBuildInputs = lib.optional isLinux autoPatchelfHook;
    buildInputs = lib.optional isLinux (lib.getLib stdenv.cc.cc);
    dependencies = [ml-dtypes numpy scipy];
    pythonImportsCheck = ["jaxlib"];
    meta = {
      description = "Compiler and run time of JAX";
      homepage = "https://github.com/jax-ml/jax";
      license = lib.licenses.asl20;
      platforms = lib.attrNames wheels;
      sourceProvenance = [lib.sourceTypes.binaryNativeCode];
    };
  }
