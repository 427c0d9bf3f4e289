# A FAT16 file system with sectors and clusters of 512 bytes, as recipes of ./bytes.sh.

fat_start() {
  fat_table=$(hex 'f8 ff ff ff')
  fat_next=2
}

# fat_allocate SIZE: a chain of clusters for so many bytes; the first is in `fat_first`.
fat_allocate() {
  fat_first=$fat_next
  while [ $((fat_next - fat_first)) -lt $((($1 + 511) / 512 - 1)) ]; do
    fat_next=$((fat_next + 1))
    fat_table=$fat_table$(le16 "$fat_next")
  done
  fat_next=$((fat_next + 1))
  fat_table=$fat_table$(hex 'ff ff')
}

# fat_entry NAME ATTRIBUTE CLUSTER SIZE: NAME is 8 + 3 characters, all dates are 1980-01-01.
fat_entry() {
  octets "$1"
  hex "$2"
  nul 12
  le16 33
  le16 "$3"
  le32 "$4"
}

# fat_boot_sector START SECTORS FAT_SECTORS LABEL
fat_boot_sector() {
  hex 'eb 3c 90'
  octets MSWIN4.1
  le16 512
  hex '01 01 00 02' # a sector a cluster, one reserved, two tables
  le16 512          # entries of the root directory
  le16 "$2"
  hex f8
  le16 "$3"
  le16 63
  le16 255
  le32 "$1"
  nul 4
  hex '80 00 29'
  octets ELOD
  octets "$4"
  octets 'FAT16   '
  nul 448
  hex '55 aa'
}

# pad512 RECIPE: filled up to whole sectors.
pad512() {
  printf %s "$1"
  nul $(((512 - $(size "$1") % 512) % 512))
}
