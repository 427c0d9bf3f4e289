# aleph-scan [-f|--first] [SECONDS]: the names of the Alephs that answer, one a line.

first=false seconds=0.5
for argument; do
  case $argument in
  -f | --first) first=true ;;
  -h | --help)
    printf 'usage: aleph-scan [-f|--first] [SECONDS]\n'
    exit 0
    ;;
  *[!0-9.]*)
    printf 'usage: aleph-scan [-f|--first] [SECONDS]\n' >&2
    exit 2
    ;;
  *) seconds=$argument ;;
  esac
done

# Both run until they are stopped, so a time-out is how this ends.
browse() {
  if command -v avahi-browse >/dev/null; then
    timeout "$seconds" avahi-browse --parsable --no-db-lookup _workstation._tcp || true
  else
    timeout "$seconds" dns-sd -B _workstation._tcp || true
  fi
}
names=$(browse | sed -n 's/.*\(aleph-[0-9a-f]\{4\}\).*/\1.local/p' | sort -u)
if [ -z "$names" ]; then
  printf 'aleph-scan: no Aleph answered within %s s\n' "$seconds" >&2
  exit 1
fi
if "$first"; then
  printf '%s\n' "${names%%$'\n'*}"
else
  printf '%s\n' "$names"
fi
