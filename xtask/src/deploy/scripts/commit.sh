# Keeps the new system: the profile and the boot default become it, or everything goes back.
if [ "$MODE" = test ]; then
  mv "$dir/armed" "$dir/confirmed" 2>/dev/null || exit 0
else
  # Words that arrive late find that the lock is gone.
  ours || exit 0
  : >"$dir/confirmed"
fi
before=$(readlink "$PROFILE")
boot=$(real "$PROFILE")
if [ -n "$GENERATION" ]; then
  set -- --switch-generation "$GENERATION"
else
  set -- --set "$NEW"
fi
if timeout -k 5 "$PATIENCE" nix-env --profile "$PROFILE" "$@" >>"$dir/commit.log" 2>&1 </dev/null &&
  timeout -k 5 "$PATIENCE" "$NEW/bin/switch-to-configuration" boot >>"$dir/commit.log" 2>&1 </dev/null; then
  finish "deployed"
  exit 0
fi
after=$(readlink "$PROFILE")
if [ "$after" != "$before" ]; then
  number=${before#system-}
  timeout -k 5 "$PATIENCE" nix-env --profile "$PROFILE" --switch-generation "${number%-link}" >>"$dir/commit.log" 2>&1
  if [ -z "$GENERATION" ]; then
    number=${after#system-}
    nix-env --profile "$PROFILE" --delete-generations "${number%-link}" >>"$dir/commit.log" 2>&1
  fi
fi
if [ "$MODE" = test ]; then
  timeout -k 5 "$PATIENCE" "$OLD/bin/switch-to-configuration" test >>"$dir/commit.log" 2>&1 </dev/null
fi
timeout -k 5 "$PATIENCE" "$boot/bin/switch-to-configuration" boot >>"$dir/commit.log" 2>&1 </dev/null
if [ "$(real /run/current-system)" = "$OLD" ] && [ "$(real "$PROFILE")" = "$boot" ]; then
  finish "rolled back"
else
  finish "unknown"
fi
