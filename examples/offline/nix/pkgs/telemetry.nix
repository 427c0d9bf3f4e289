# The data set: an hour of a CubeSat's telemetry, with the GPS fix that the orbit starts from.
{mkDerivation}:
mkDerivation {
  pname = "telemetry";
  version = "1.0.0";
  suffix = ".csv";
  meta.description = "An hour of telemetry, one row a minute";
  script = ''
    phase buildPhase
    {
      # Time in s, battery in mV, panel in 0.01 °C, position in mm, speed in mm/s.
      printf 'time,battery,panel,x,y,vx,vy\n'
      minute=0 noise=1
      while [ "$minute" -lt 60 ]; do
        noise=$(((noise * 1103515245 + 12345) % 2147483648))
        # 38 minutes in the sun, 22 in the Earth's shadow.
        if [ "$minute" -lt 38 ]; then
          battery=$((7400 + minute * 20)) panel=$((2000 + minute * 90))
        else
          battery=$((8160 - (minute - 38) * 31)) panel=$((5420 - (minute - 38) * 250))
        fi
        fix=,,,
        [ "$minute" -ne 0 ] || fix=6921000000,0,0,7589060
        printf '%d,%d,%d,%s\n' $((minute * 60)) $((battery + noise % 9)) $((panel + noise % 70)) "$fix"
        minute=$((minute + 1))
      done
    } > "$out"
    log "60 rows, 1 GPS fix"
  '';
}
