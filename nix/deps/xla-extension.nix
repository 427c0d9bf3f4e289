# XLA as a static library with headers, for the CPU. Fetched by a build and not while evaluating (`fetchTarball`).
{
  fetchzip,
  lib,
  stdenv,
}: let
  inherit (stdenv.hostPlatform) system;
  version = "0.5.4";
  # By system: the end of the file's name, and the hash of what is in it.
  sources = {
    x86_64-linux = {
      suffix = "x86_64-linux-gnu-cpu";
      hash = "sha256-gc9m8me3Acvr/pc0fsbqsjk3hLPAO5BHFNWZb9fydYA=";
    };
    aarch64-linux = {
      suffix = "aarch64-linux-gnu-cpu";
      hash = "sha256-uSOPg1Bl3AG52vfV1XB49NtcsB0BaEGGHRZwiE0exWs=";
    };
    aarch64-darwin = {
      suffix = "aarch64-darwin-cpu";
      hash = "sha256-f+J+4pFpIPXJAM8B2qqJmZlN81Ac5QqzF3ej08y1bno=";
    };
  };
  source = sources.${system} or (throw "there is no XLA ${version} for ${system}; elodin-py is for ${toString (lib.attrNames sources)}");
in
  fetchzip {
    url = "https://github.com/elodin-sys/xla/releases/download/v${version}/xla_extension-${source.suffix}.tar.gz";
    inherit (source) hash;
  }
