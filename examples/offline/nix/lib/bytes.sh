# Bytes as text. A shell variable cannot hold a NUL, so everything here prints a *recipe*: one
# octal escape per byte, `\101\000`. `printf "$recipe"` writes the bytes, ./sha256.sh hashes them.
# Functions have a subshell for a body, so that their variables are their own.

# octets TEXT: the recipe of a text (ASCII).
octets() (
  rest=$1
  while [ -n "$rest" ]; do
    # In short pieces: taking a character off costs as much as the text is long.
    piece=$rest
    rest=${rest#????????????????????????????????}
    if [ "$rest" = "$piece" ]; then rest=; else piece=${piece%"$rest"}; fi
    set --
    while [ -n "$piece" ]; do
      tail=${piece#?}
      set -- "$@" "'${piece%"$tail"}"
      piece=$tail
    done
    printf '\\%03o' "$@"
  done
)

# nul COUNT: the recipe of that many zero bytes.
nul() (
  count=$1 unit='\000'
  while [ "$count" -gt 0 ]; do
    [ $((count % 2)) -eq 0 ] || printf %s "$unit"
    count=$((count / 2)) unit=$unit$unit
  done
)

# le16 NUMBER, le32 NUMBER, le64 NUMBER: recipes of little-endian integers.
le16() { printf '\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)); }
le32() { le16 $(($1 & 65535)); le16 $(($1 >> 16 & 65535)); }
le64() { le32 $(($1 & 4294967295)); le32 $(($1 >> 32 & 4294967295)); }

# hex BYTES: the recipe of bytes given in hexadecimal, "7f 45 4c 46".
# shellcheck disable=SC2086 # Split at the blanks.
hex() (
  set -- $1
  for byte in "$@"; do printf '\\%03o' "0x$byte"; done
)

# size RECIPE: how many bytes it makes.
size() { printf %d $((${#1} / 4)); }

# field WIDTH TEXT: the recipe of a text, filled up with zeros.
field() (
  octets "$2"
  nul $(($1 - ${#2}))
)

# put RECIPE: the bytes themselves.
# shellcheck disable=SC2059 # The recipe is the format.
put() { printf "$1"; }

# zeros COUNT: that many zero bytes, for long stretches.
zeros() (
  left=$1 block=$(nul 16384)
  while [ "$left" -ge 16384 ]; do
    put "$block"
    left=$((left - 16384))
  done
  put "$(nul "$left")"
)
