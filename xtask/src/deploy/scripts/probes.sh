# Whether what has to be true of the device is true.
listens() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    grep -Eqi "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") [0-9A-F]+:0000 0A "
}
probe() {
  case $2 in
  tcp) why="nothing listens on TCP port $3" && listens "$3" ;;
  unit) why="the unit $3 is $(systemctl is-active "$3" 2>/dev/null)" && [ "$why" = "the unit $3 is active" ] ;;
  command) why=$(timeout -k 1 10 /bin/sh -c "$3" 2>&1 </dev/null) ;;
  esac
  if [ "$?" = 0 ]; then say "probe.$1" good; else say "probe.$1" "bad $(printf '%s' "$why" | tail -n 1)"; fi
}
