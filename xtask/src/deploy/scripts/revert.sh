# Goes back to the old system, unless the new one was confirmed: whoever renames `armed` first wins.
mv "$dir/armed" "$dir/reverting" 2>/dev/null || exit 0
stop_switch
timeout -k 5 "$PATIENCE" "$OLD/bin/switch-to-configuration" test >"$dir/revert.log" 2>&1 </dev/null
if [ "$(real /run/current-system)" = "$OLD" ]; then
  finish "rolled back"
else
  # It cannot be restored while it runs, but it is what boots.
  finish "rebooting"
  if has_systemd; then systemctl reboot; fi
fi
