# One derivation whose only output is a file, written by `script`.
#
# Without inputs there is no nixpkgs, so no compiler and no coreutils: a builder has the shell that
# every Nix puts at /bin/sh in its sandbox, and nothing else. POSIX builtins can print bytes into a
# file, but not make a directory or set a mode. So:
#
# - what is one file (a table, a page, an image archive) is simply printed to `$out`: this file;
# - what must be a directory or a program is printed as a tar archive, and Nix itself unpacks it
#   with its builtin builder `unpack-channel`: ./mk-directory.nix;
# - what joins directories uses Nix' builtin builder `buildenv`: ./mk-env.nix.
#
# None needs a binary in the repository or an import from a derivation. Scripts are proven with
# bash, dash and busybox as /bin/sh.
{system}: {
  pname,
  version,
  script,
  # The end of the file's name, for what looks at it: ".html", ".tar".
  suffix ? "",
  meta ? {},
  ...
} @ args: let
  # Flakes are pure, so this is empty unless somebody asks for a failure with `--impure`:
  # OFFLINE_FAIL=orbit nix build --impure
  fails = builtins.getEnv "OFFLINE_FAIL" == pname;
in
  derivation (removeAttrs args ["pname" "version" "suffix" "script" "meta"]
    // {
      name = "${pname}-${version}${suffix}";
      inherit system;
      outputs = ["out"];
      builder = "/bin/sh";
      args = [
        "-euc"
        ''
          . ${./lib/log.sh}
          ${
            if fails
            then ". ${./lib/fail.sh}"
            else script
          }
        ''
      ];
      # Asking a cache takes longer than building, and without network it takes for ever.
      allowSubstitutes = false;
      preferLocalBuild = true;
    })
  // {inherit pname version meta;}
