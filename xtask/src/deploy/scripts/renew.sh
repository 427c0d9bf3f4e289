# Keeps the lock while something is copied. Who was followed by somebody else does not get it back.
if guard && ours; then hold 0; fi
