# Comes before a package's script when OFFLINE_SLOW names it: something to watch and to interrupt.
# There is no `sleep` in the sandbox, so it counts: about half a minute.

phase warmupPhase
step=1
while [ "$step" -le 30 ]; do
  log "warming up, step $step of 30"
  count=0
  while [ "$count" -lt 250000 ]; do count=$((count + 1)); done
  step=$((step + 1))
done
