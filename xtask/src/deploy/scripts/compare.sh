# Which of PATHS are not there, what the running system is made of, and its units.
invalid=$(printf '%s\n' "$PATHS" | xargs nix-store --check-validity --print-invalid) || exit 3
printf '%s\n' "$invalid" | while read -r path; do
  if [ -n "$path" ]; then say missing "$path"; fi
done
nix-store --query --requisites "$OLD" 2>/dev/null | while read -r path; do say old "$path"; done
say size.kernel "$(wc -c 2>/dev/null <"$OLD/kernel")"
say link.kernel "$(real "$OLD/kernel")"
say link.initrd "$(real "$OLD/initrd")"
if cd "$OLD/etc/systemd/system" 2>/dev/null; then
  for unit in *.service *.socket *.timer *.path *.mount; do
    if [ -f "$unit" ]; then sha256sum "$unit"; fi
  done | while read -r hash name; do say "file.$name" "$hash"; done
fi
