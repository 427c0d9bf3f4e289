# How far it is. Waits a while (TURNS of 0.2 s) for something to tell.
size() { wc -c 2>/dev/null <"$dir/log" || echo 0; }
news() {
  if [ -e "$dir/done" ] || ! [ -d "$dir" ]; then return 0; fi
  [ -e "$dir/armed" ] && { [ -e "$dir/status" ] || [ "$(size)" -gt "$OFFSET" ]; }
}
turns=0
while [ "$turns" -lt "$TURNS" ] && ! news; do
  sleep 0.2
  turns=$((turns + 1))
done
system
for phase in armed confirmed reverting; do
  if [ -e "$dir/$phase" ]; then say phase "$phase"; fi
done
say status "$(cat "$dir/status" 2>/dev/null)"
say done "$(cat "$dir/done" 2>/dev/null)"
