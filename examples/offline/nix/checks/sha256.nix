# Our SHA-256 in shell agrees with Nix' own, around every border of its padding.
{
  lib,
  mkDerivation,
}: let
  text = length: builtins.substring 0 length "The quick brown fox jumps over the lazy dog; then the dog, who is not so lazy after all, jumps over the fox, too.";
in
  mkDerivation {
    pname = "check-sha256";
    version = "1.0.0";
    script = ''
      . ${lib}/bytes.sh
      . ${lib}/sha256.sh

      phase checkPhase
      expect() {
        got=$(sha256 "$(octets "$2")")
        [ "$got" = "$1" ] || { log "''${#2} bytes: $got instead of $1"; exit 1; }
        log "''${#2} bytes: $got"
      }
      ${builtins.concatStringsSep "\n" (map
        (length: "expect ${builtins.hashString "sha256" (text length)} '${text length}'")
        [0 3 55 56 63 64 65 112])}
      printf 'ok\n' > "$out"
    '';
  }
