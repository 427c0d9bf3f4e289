# Gives the lock back; nothing was changed.
unlock
