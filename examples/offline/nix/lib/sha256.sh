# sha256 RECIPE: the hash of the bytes, in hex. FIPS 180-4 in shell arithmetic: about 2 ms a block,
# which is quick enough for a container image of a few KB. The check `sha256` compares it with Nix'.

sha256() (
  set -f
  IFS='\'
  # shellcheck disable=SC2086 # Split at the backslashes; the first field is empty.
  set -- $1
  [ $# -eq 0 ] || shift
  unset IFS

  bits=$(($# * 8))
  set -- "$@" 200
  while [ $(($# % 64)) -ne 56 ]; do set -- "$@" 000; done
  for shift in 56 48 40 32 24 16 8 0; do
    set -- "$@" "$(printf %03o $((bits >> shift & 255)))"
  done

  k='
    428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5
    d807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe 9bdc06a7 c19bf174
    e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da
    983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967
    27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85
    a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070
    19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3
    748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2'
  m=0xffffffff
  h0=0x6a09e667 h1=0xbb67ae85 h2=0x3c6ef372 h3=0xa54ff53a
  h4=0x510e527f h5=0x9b05688c h6=0x1f83d9ab h7=0x5be0cd19

  while [ $# -gt 0 ]; do
    i=0
    while [ $i -lt 16 ]; do
      eval "w$i=\$((0$1 << 24 | 0$2 << 16 | 0$3 << 8 | 0$4))"
      shift 4
      i=$((i + 1))
    done
    a=$((h0)) b=$((h1)) c=$((h2)) d=$((h3)) e=$((h4)) f=$((h5)) g=$((h6)) h=$((h7))
    i=0
    for constant in $k; do
      # The schedule needs the last 16 words only: w0 … w15 are a ring.
      eval "w=\$w$((i % 16))"
      if [ $i -ge 16 ]; then
        eval "x=\$w$(((i + 1) % 16)) y=\$w$(((i + 14) % 16)) z=\$w$(((i + 9) % 16))"
        s0=$(((x >> 7 | x << 25) ^ (x >> 18 | x << 14) ^ x >> 3))
        s1=$(((y >> 17 | y << 15) ^ (y >> 19 | y << 13) ^ y >> 10))
        w=$((w + (s0 & m) + z + (s1 & m) & m))
        eval "w$((i % 16))=$w"
      fi
      s1=$((((e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)) & m))
      t1=$((h + s1 + ((e & f) ^ (~e & g)) + 0x$constant + w))
      s0=$((((a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)) & m))
      t2=$((s0 + ((a & b) ^ (a & c) ^ (b & c))))
      h=$g g=$f f=$e e=$((d + t1 & m)) d=$c c=$b b=$a a=$((t1 + t2 & m))
      i=$((i + 1))
    done
    h0=$((h0 + a & m)) h1=$((h1 + b & m)) h2=$((h2 + c & m)) h3=$((h3 + d & m))
    h4=$((h4 + e & m)) h5=$((h5 + f & m)) h6=$((h6 + g & m)) h7=$((h7 + h & m))
  done
  printf %08x $((h0)) $((h1)) $((h2)) $((h3)) $((h4)) $((h5)) $((h6)) $((h7))
)
