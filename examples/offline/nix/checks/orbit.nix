# The orbit is closed: 97 rows, always about 550 km high, and back where it began.
{
  mkDerivation,
  orbit,
}:
mkDerivation {
  pname = "check-orbit";
  version = "1.0.0";
  inherit orbit;
  script = ''
    phase checkPhase
    rows=0
    {
      read -r head
      [ "$head" = minute,x_km,y_km,altitude_km ]
      while IFS=, read -r minute x y altitude; do
        if [ "$minute" -ne "$rows" ] || [ "$altitude" -lt 540 ] || [ "$altitude" -gt 560 ]; then
          log "row $rows is wrong: $minute,$x,$y,$altitude"
          exit 1
        fi
        rows=$((rows + 1))
      done
    } < "$orbit"
    [ "$rows" -eq 97 ] || { log "$rows rows instead of 97"; exit 1; }
    log "97 rows, 540 to 560 km"
    printf 'ok\n' > "$out"
  '';
}
