{
  buildPythonPackage,
  fetchPypi,
  jaxlib,
  lib,
  ml-dtypes,
  numpy,
  opt-einsum,
  scipy,
  setuptools,
}:
buildPythonPackage {
  pname = "jax";
  # The SDK's pyproject asks for exactly this.
  version = "0.4.31";
  pyproject = true;
  src = fetchPypi {
    pname = "jax";
    version = "0.4.31";
    hash = "sha256-/S1HBkOgBz2CJzfweI9xORZWr35izFsueZXuOQzqwoc=";
  };
  build-system = [setuptools];
  dependencies = [jaxlib ml-dtypes numpy opt-einsum scipy];
  # They take hours.
  doCheck = false;
  pythonImportsCheck = ["jax"];
  meta = {
    description = "Numerical computing with differentiation, for accelerators";
    homepage = "https://github.com/jax-ml/jax";
    license = lib.licenses.asl20;
  };
}
