# The dev shell. `nix develop` runs the builder once to see what it leaves in the environment, and
# wants a bash for that; arrays and functions, which no derivation attribute can hold, come from
# ./shell-setup (Nix sources `$stdenv/setup`; there is no other standard environment here).
{
  hello-aleph,
  orbit,
  system,
  telemetry,
}:
derivation {
  name = "offline-shell";
  inherit orbit system telemetry;
  outputs = ["out"];
  builder = "/bin/bash";
  stdenv = builtins.path {
    path = ./shell-setup;
    name = "shell-setup";
  };
  PATH = "${hello-aleph}/bin";
  ALEPH_TARGET = "root@fde1:2240:a1ef::1";
  shellHook = ''
    export ALEPH_SHELL=offline
  '';
  allowSubstitutes = false;
  preferLocalBuild = true;
}
// {meta.description = "The tools of this workspace";}
