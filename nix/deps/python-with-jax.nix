# Python 3.12 whose package set has the JAX that the SDK pins (its XLA is of that time). One set for everything:
# two JAX in one environment would be an accident.
{python312}: let
  python = python312.override {
    self = python;
    packageOverrides = final: _: {
      jax = final.callPackage ./jax.nix {};
      jaxlib = final.callPackage ./jaxlib.nix {};
      # The name that packages which do not want to build it ask for.
      jaxlib-bin = final.jaxlib;
    };
  };
in
  python
