# Takes the lock, or says who has it.
if ! guard; then
  say held "somebody else who is taking the lock right now"
  exit 0
fi
read -r now rest </proc/uptime
now=${now%%.*}
boot=$(cat /proc/sys/kernel/random/boot_id)
held=
if [ -e "$STATE/lock" ] && ! ours; then
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
hold 0
# What a deployment has kept from the collector that a power cut ended.
for root in "$ROOTS"/elodin-deploy-*; do rm -f "$root"; done
# From now on nothing that is copied is garbage.
ln -sfn "$NEW" "$ROOTS/elodin-deploy-$ID-new"
say locked yes
