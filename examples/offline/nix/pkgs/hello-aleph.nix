# A program: it asks the orbit table where the satellite is. POSIX sh, builtins only.
{
  lib,
  mkDirectory,
  orbit,
}:
mkDirectory {
  pname = "hello-aleph";
  version = "1.0.0";
  directory = "bin";
  inherit orbit;
  meta = {
    description = "Say where the satellite is, minute by minute";
    mainProgram = "hello-aleph";
  };
  script = ''
    . ${lib}/bytes.sh
    . ${lib}/tar.sh

    phase buildPhase
    program='#!/bin/sh
    # usage: hello-aleph [MINUTE]
    set -eu
    minute=''${1:-0}
    while IFS=, read -r row x y altitude; do
      if [ "$row" = "$minute" ]; then
        printf "Hello, Aleph! Minute %s: x %s km, y %s km, %s km high.\n" "$row" "$x" "$y" "$altitude"
        exit 0
      fi
    done < '"$orbit"'
    printf "hello-aleph: the orbit has no minute %s (0 to 96)\n" "$minute" >&2
    exit 2
    '

    phase installPhase
    put "$(
      tar_directory bin
      tar_text 755 bin/hello-aleph "$program"
      tar_end
    )" > "$out"
    log "bin/hello-aleph, ''${#program} bytes"
  '';
}
