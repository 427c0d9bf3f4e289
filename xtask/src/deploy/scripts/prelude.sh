# Before every script: where things are, how an answer looks, and what outlives the connection.
STATE=/run/elodin-deploy
PROFILE=/nix/var/nix/profiles/system
ROOTS=/nix/var/nix/gcroots
PATH=${OLD:+$OLD/sw/bin:}/run/current-system/sw/bin:/run/wrappers/bin:${PATH:-}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
dir=$STATE/${ID:-none}

say() { printf '%s=%s\n' "$1" "$2"; }

has_systemd() { [ -d /run/systemd/system ]; }

# The real path of a link, nothing where it leads nowhere.
real() { [ -e "$1" ] && readlink -f "$1"; }

# Runs a file of ours (UNIT FILE) so that it lives on when this connection, or sshd, ends.
launch() {
  if has_systemd; then
    systemd-run --quiet --collect --no-block --unit="$1" --property=TimeoutStopSec=5 /bin/sh "$2"
  else
    setsid /bin/sh "$2" </dev/null >/dev/null 2>&1 9>&- &
  fi
}

# Whoever reads or writes the lock waits for this first.
guard() {
  umask 077
  mkdir -p "$STATE"
  exec 9>"$STATE/guard"
  flock -w 10 9
}

ours() { grep -qx "id=$ID" "$STATE/lock" 2>/dev/null; }

# Takes the lock, or keeps it, for LEASE seconds and $1 more. Its time is counted from the boot: a clock may jump.
hold() {
  read -r now rest </proc/uptime
  printf 'id=%s\nwho=%s\nboot=%s\nuntil=%s\n' "$ID" "$WHO" "$(cat /proc/sys/kernel/random/boot_id)" \
    "$((${now%%.*} + LEASE + $1))" >"$STATE/lock.new"
  mv "$STATE/lock.new" "$STATE/lock"
}

# Gives the lock back, if it is ours. In a process of its own, so that the guard ends with it.
unlock() {
  if [ -d "$STATE" ]; then (guard && ours && rm -f "$STATE/lock"); fi
  rm -f "$ROOTS/elodin-deploy-$ID-new" "$ROOTS/elodin-deploy-$ID-old"
}

# The end of a transaction: the device's own record, then the word that the other side waits for.
finish() {
  printf '{"time":"%s","result":"%s",%s}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$RECORD" \
    >>/var/log/elodin-deploys.jsonl
  # Whoever it was that ended it: the timer has nothing to do any more. This may be what it has started.
  if has_systemd; then systemctl stop "elodin-revert-$ID.timer" 2>/dev/null; fi
  unlock
  printf '%s\n' "$1" >"$dir/done.new"
  mv "$dir/done.new" "$dir/done"
}

# Stops an activation that still runs: the next one would find its lock held.
stop_switch() {
  if has_systemd; then
    systemctl stop "elodin-switch-$ID.service" 2>/dev/null
  elif read -r pid 2>/dev/null <"$dir/switch.pid"; then
    kill -TERM "-$pid" 2>/dev/null && sleep 1
    kill -KILL "-$pid" 2>/dev/null
  fi
  return 0
}

units() {
  has_systemd || return 0
  systemctl list-units --all --plain --no-legend --full --no-pager 2>/dev/null |
    while read -r name load active sub rest; do
      # Some versions mark failed units with a dot in front.
      case $name in
      *.*) ;;
      *) name=$load load=$active active=$sub sub=${rest%% *} ;;
      esac
      case $name in
      elodin-switch-* | elodin-revert-* | elodin-commit-*) ;;
      *.service | *.socket | *.mount | *.timer | *.path) say unit "$name $load $active $sub" ;;
      esac
    done
}

system() {
  say boot "$(cat /proc/sys/kernel/random/boot_id)"
  say clock "$(date +%s)"
  say current "$(real /run/current-system)"
  say profile "$(real "$PROFILE")"
  say generation "$(readlink "$PROFILE")"
}
