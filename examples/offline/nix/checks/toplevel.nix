# The system can be asked what it would do, and its `bin` is a directory of its own.
{
  mkDerivation,
  toplevel,
}:
mkDerivation {
  pname = "check-toplevel";
  version = "1.0.0";
  inherit toplevel;
  script = ''
    phase checkPhase
    answer=$("$toplevel/bin/switch-to-configuration" dry-activate)
    log "$answer"
    [ "$answer" = "would activate ${toplevel.version} ($toplevel)" ]
    [ -d "$toplevel/bin" ] && [ ! -h "$toplevel/bin" ]
    printf 'ok\n' > "$out"
  '';
}
