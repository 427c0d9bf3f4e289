# The systems that the device can go back to.
system
for link in "$PROFILE"-*-link; do
  number=${link%-link}
  number=${number##*-}
  if [ -e "$link" ]; then
    say generation.entry "$number $(stat -c %Y "$link" 2>/dev/null || date +%s) $(real "$link")"
  fi
done
