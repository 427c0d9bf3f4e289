# Takes the place of a package's script when OFFLINE_FAIL names it: a log longer than what a
# failure report should show, and an exit status that is not 1.

phase buildPhase
step=1
while [ "$step" -le 60 ]; do
  log "step $step of 60: nominal"
  step=$((step + 1))
done
log "error: sensor 7 does not answer (asked for by OFFLINE_FAIL)"
exit 3
