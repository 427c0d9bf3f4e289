# Sourced first by every builder. Nix shows what it prints, and the phase beside the name.

log() { printf '%s\n' "$*" >&2; }

phase() {
  printf '@nix {"action":"setPhase","phase":"%s"}\n' "$1" >&2
  log "$1"
}
