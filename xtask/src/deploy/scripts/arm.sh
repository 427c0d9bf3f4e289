# Arms the dead-man's switch, and only then starts the activation. Both outlive this connection.
# Who takes the lock from us meanwhile comes before all of this, or behind it.
if ! guard || ! ours; then
  say problem "somebody else has taken the lock over"
  exit 0
fi
if [ "$(real /run/current-system)" != "$OLD" ]; then
  say problem "another system runs there now: $(real /run/current-system)"
  exit 0
fi
if ! [ -x "$NEW/bin/switch-to-configuration" ]; then
  say problem "$NEW has no bin/switch-to-configuration"
  exit 0
fi
hold "$TIMEOUT"
mkdir -p "$dir"
printf '%s\n' "$REVERT" >"$dir/revert"
printf '%s\n' "$ACTIVATE" >"$dir/activate"
printf '%s\n' "$WHO" >"$dir/who"
ln -sfn "$OLD" "$ROOTS/elodin-deploy-$ID-old"
: >"$dir/armed"
if has_systemd; then
  systemd-run --quiet --collect --unit="elodin-revert-$ID" --on-active="$TIMEOUT" \
    --timer-property=AccuracySec=100ms --property=Type=oneshot /bin/sh "$dir/revert" &&
    [ "$(systemctl is-active "elodin-revert-$ID.timer")" = active ]
else
  setsid /bin/sh -c 'sleep "$1"; exec /bin/sh "$2"' sh "$TIMEOUT" "$dir/revert" </dev/null >/dev/null 2>&1 9>&- &
fi
# Nobody may start what nobody would undo.
if [ "$?" != 0 ]; then
  rm -f "$dir/armed"
  say problem "the timer that would undo it could not be started"
  exit 0
fi
say armed yes
launch "elodin-switch-$ID" "$dir/activate"
