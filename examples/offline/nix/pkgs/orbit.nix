# The propagator: two bodies, in whole numbers, from the GPS fix in the telemetry.
{
  mkDerivation,
  telemetry,
}:
mkDerivation {
  pname = "orbit";
  version = "1.0.0";
  suffix = ".csv";
  inherit telemetry;
  meta.description = "One revolution of the satellite, one row a minute";
  script = ''
    phase unpackPhase
    # The first row after the head has the fix.
    { read -r head; IFS=, read -r time battery panel x y vx vy; } < "$telemetry"
    log "fix at $time s: $((x / 1000000)) km, $((vy / 1000)) m/s"

    phase buildPhase
    # Earth's mu is 3.986004418e14 m³/s²; times 1000, because speed is in mm/s. The position is
    # squared in m, not in mm: 64 bits end at 9.2e18.
    mu=398600441800000000 radius=$((x / 1000)) step=10
    accelerate() {
      mx=$((x / 1000)) my=$((y / 1000))
      square=$((mx * mx + my * my))
      # The root by Newton; the last radius is so near that two rounds are enough.
      radius=$(((radius + square / radius) / 2))
      radius=$(((radius + square / radius) / 2))
      pull=$((mu / square))
      vx=$((vx - pull * mx / radius * step / 2))
      vy=$((vy - pull * my / radius * step / 2))
    }
    {
      printf 'minute,x_km,y_km,altitude_km\n'
      time=0
      while [ "$time" -le 5760 ]; do
        if [ $((time % 60)) -eq 0 ]; then
          printf '%d,%d,%d,%d\n' $((time / 60)) $((x / 1000000)) $((y / 1000000)) \
            $((radius / 1000 - 6371))
          [ $((time % 1440)) -ne 0 ] || log "minute $((time / 60)): $((radius / 1000 - 6371)) km high"
        fi
        # Leapfrog: half a kick, a drift, half a kick. It keeps the energy.
        accelerate
        x=$((x + vx * step)) y=$((y + vy * step))
        accelerate
        time=$((time + step))
      done
    } > "$out"
  '';
}
