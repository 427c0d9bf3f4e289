# Starts FILE, or writes it first where TEXT is given.
umask 077
mkdir -p "$dir"
if [ -n "$TEXT" ]; then printf '%s\n' "$TEXT" >"$dir/$FILE"; fi
launch "elodin-$FILE-now-$ID" "$dir/$FILE"
