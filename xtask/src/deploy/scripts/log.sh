# What the program said, from a place on. Last, because it is not ours: everything else has a name.
end=$(wc -c 2>/dev/null <"$dir/$LOG" || echo 0)
say offset "$end"
printf 'log:\n'
head -c "$end" "$dir/$LOG" 2>/dev/null | tail -c "+$((OFFSET + 1))"
