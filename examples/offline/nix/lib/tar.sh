# A POSIX (ustar) archive, as recipes of ./bytes.sh. Owner 0, time 1: as in the Nix store.

# tar_header TYPE MODE SIZE NAME: TYPE is 0 for a file and 5 for a directory (NAME ends in /).
tar_header() (
  mode=$(printf %07o "0$2") size=$(printf %011o "$3")
  # The sum of all bytes of the header, with eight blanks where it will stand itself.
  sum=256
  IFS='\'
  for octet in $(octets "$4${mode}0000000""0000000${size}00000000001${1}ustar00"); do
    sum=$((sum + 0$octet))
  done
  unset IFS
  field 100 "$4"
  field 8 "$mode"
  field 8 0000000
  field 8 0000000
  field 12 "$size"
  field 12 00000000001
  field 8 "$(printf %06o "$sum")"
  octets "$1"
  nul 100
  field 6 ustar
  octets 00
  nul 247
)

# tar_directory NAME
tar_directory() { tar_header 5 755 0 "$1/"; }

# tar_padding SIZE: what follows a file's content, up to the next block.
tar_padding() { nul $(((512 - $1 % 512) % 512)); }

# tar_text MODE NAME TEXT: a whole file.
tar_text() {
  tar_header 0 "$1" "${#3}" "$2"
  octets "$3"
  tar_padding "${#3}"
}

tar_end() { nul 1024; }
