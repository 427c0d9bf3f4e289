# The smallest build there is: it needs no input, so neither network nor cache, and shows that this machine's Nix
# can evaluate a flake and run a builder. `cargo xtask doctor` and `cargo xtask builder test` use it.
{system}:
derivation {
  name = "elodin-selftest";
  inherit system;
  builder = "/bin/sh";
  args = ["-euc" "printf 'built for %s\\n' \"$system\" > \"$out\""];
  # A cache must not answer in the place of this machine.
  allowSubstitutes = false;
  preferLocalBuild = true;
}
// {meta.description = "A build that needs nothing, to see that Nix works";}
