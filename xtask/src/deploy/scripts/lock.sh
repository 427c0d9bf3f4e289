# Takes the lock, or says who has it. Its time is counted from the boot: a clock may jump.
umask 077
mkdir -p "$STATE"
exec 9>"$STATE/guard"
if ! flock -w 10 9; then
  say held "somebody else who is taking the lock right now"
  exit 0
fi
read -r now rest </proc/uptime
now=${now%%.*}
boot=$(cat /proc/sys/kernel/random/boot_id)
held=
if [ -e "$STATE/lock" ] && ! grep -qx "id=$ID" "$STATE/lock"; then
  until=$(sed -n 's/^until=//p' "$STATE/lock")
  if grep -qx "boot=$boot" "$STATE/lock" && [ "${until:-0}" -gt "$now" ]; then
    held=$(sed -n 's/^who=//p' "$STATE/lock")
    left=$((until - now))
  fi
fi
for other in "$STATE"/*/armed "$STATE"/*/reverting; do
  case $other in
  "$dir"/* | "$STATE/*/"*) ;;
  *) [ -e "${other%/*}/done" ] || { armed=yes held=$(cat "${other%/*}/who"); } ;;
  esac
done
if [ -n "$held" ] && { [ -n "${armed-}" ] || [ -z "$TAKE_OVER" ]; }; then
  say held "$held"
  say left "${left-}"
  say armed "${armed-}"
  exit 0
fi
printf 'id=%s\nwho=%s\nboot=%s\nuntil=%s\n' "$ID" "$WHO" "$boot" "$((now + LEASE))" >"$STATE/lock.new"
mv "$STATE/lock.new" "$STATE/lock"
# What a deployment has kept from the collector that a power cut ended.
for root in "$ROOTS"/elodin-deploy-*; do rm -f "$root"; done
# From now on nothing that is copied is garbage.
ln -sfn "$NEW" "$ROOTS/elodin-deploy-$ID-new"
say locked yes
