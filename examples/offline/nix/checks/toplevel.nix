# The system can be asked what it would do.
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
    printf 'ok\n' > "$out"
  '';
}
