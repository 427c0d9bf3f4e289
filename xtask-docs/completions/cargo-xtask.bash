# Completes `cargo xtask …`, `cargo dev …` and `cargo aleph …`, with the names of this workspace.
# In ~/.bashrc: source WHERE-THIS-IS/docs/completions/cargo-xtask.bash

_cargo_xtask_program() {
  local dir=$PWD program
  while [ -n "$dir" ]; do
    program=${CARGO_TARGET_DIR:-$dir/target}/debug/xtask
    if [ -f "$dir/xtask.toml" ] && [ -x "$program" ]; then
      printf '%s\n' "$program"
      return
    fi
    dir=${dir%/*}
  done
  return 1
}

_cargo_xtask() {
  local line=${COMP_LINE:0:COMP_POINT} words typed program prefix candidate
  read -ra words <<<"$line"
  case $line in *[[:space:]]) words+=('') ;; esac
  case ${words[1]} in
    dev) words=(shell "${words[@]:2}") ;;
    aleph) words=(build-aleph "${words[@]:2}") ;;
    *) words=("${words[@]:2}") ;;
  esac
  typed=${words[${#words[@]} - 1]}
  program=$(_cargo_xtask_program) || return
  # Bash takes words apart at these, and wants only what comes after the last one.
  prefix=${typed%"${typed##*[:=@]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r candidate _; do
    COMPREPLY+=("${candidate#"$prefix"}")
  done < <("$program" complete -- "${words[@]}" 2>/dev/null)
}

_cargo_or_xtask() {
  case $COMP_CWORD-${COMP_WORDS[1]} in
    [01]-*) ;;
    *-xtask | *-dev | *-aleph)
      _cargo_xtask
      return
      ;;
  esac
  if declare -F _cargo >/dev/null; then _cargo "$@"; fi
}

complete -o bashdefault -o default -F _cargo_or_xtask cargo
