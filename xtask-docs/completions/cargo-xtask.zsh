# Completes `cargo xtask …`, `cargo dev …` and `cargo aleph …`, with the names of this workspace.
# In ~/.zshrc, after compinit: source WHERE-THIS-IS/docs/completions/cargo-xtask.zsh

_cargo_xtask_program() {
  local dir=$PWD
  while [[ -n $dir ]]; do
    local program=${CARGO_TARGET_DIR:-$dir/target}/debug/xtask
    if [[ -f $dir/xtask.toml && -x $program ]]; then
      print -r -- $program
      return
    fi
    dir=${dir%/*}
  done
  return 1
}

_cargo_or_xtask() {
  if (( CURRENT < 3 )) || [[ $words[2] != (xtask|dev|aleph) ]]; then
    (( $+functions[_cargo] )) && _cargo "$@"
    return
  fi
  local program line
  program=$(_cargo_xtask_program) || { _files; return }
  local -a before=("${(@)words[3,CURRENT-1]}") found=()
  case $words[2] in
    dev) before=(shell "${before[@]}") ;;
    aleph) before=(build-aleph "${before[@]}") ;;
  esac
  while IFS=$'\t' read -r name meaning; do
    found+=("${name//:/\\:}${meaning:+:$meaning}")
  done < <("$program" complete -- "${before[@]}" "$words[CURRENT]" 2>/dev/null)
  if (( $#found )); then
    _describe 'cargo xtask' found
  else
    _files
  fi
}

compdef _cargo_or_xtask cargo
