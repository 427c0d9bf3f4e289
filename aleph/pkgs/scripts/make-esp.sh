# make-esp --toplevel DIR --loader FILE --output DIR [--device-tree FILE]
#
# Reads the system's bootspec and writes what systemd-boot reads.

toplevel='' loader='' output='' device_tree=''
while [ "$#" -ge 2 ]; do
  case $1 in
  --toplevel) toplevel=$2 ;;
  --loader) loader=$2 ;;
  --output) output=$2 ;;
  --device-tree) device_tree=$2 ;;
  *) break ;;
  esac
  shift 2
done
if [ "$#" -ne 0 ] || [ -z "$toplevel" ] || [ -z "$loader" ] || [ -z "$output" ]; then
  printf 'usage: make-esp --toplevel DIR --loader FILE --output DIR [--device-tree FILE]\n' >&2
  exit 2
fi

bootspec() {
  jq --exit-status --raw-output ".\"org.nixos.bootspec.v1\" | $1" "$toplevel/boot.json"
}

# copy FILE: puts it where NixOS' own boot loader script would, and says where that is on the partition.
copy() {
  local name=${1#/nix/store/}
  name=EFI/nixos/${name//\//-}.efi
  cp --no-preserve=mode "$1" "$output/$name" && printf '/%s' "$name"
}

mkdir -p "$output"/EFI/{BOOT,nixos,systemd} "$output/loader/entries"

case $(bootspec .system) in
aarch64-linux) default_loader=BOOTAA64.EFI ;;
x86_64-linux) default_loader=BOOTX64.EFI ;;
*)
  printf 'make-esp: no name for the boot loader of %s is known\n' "$(bootspec .system)" >&2
  exit 1
  ;;
esac
cp --no-preserve=mode "$loader" "$output/EFI/BOOT/$default_loader"
cp --no-preserve=mode "$loader" "$output/EFI/systemd/$(basename "$loader")"

# One by one: a failure inside of another command's arguments would go unnoticed.
label=$(bootspec .label)
kernel=$(copy "$(bootspec .kernel)")
initrd=$(copy "$(bootspec .initrd)")
options=$(bootspec '"init=\(.init) \(.kernelParams | join(" "))"')
{
  printf 'title NixOS\n'
  printf 'version Generation 1 %s\n' "$label"
  printf 'linux %s\n' "$kernel"
  printf 'initrd %s\n' "$initrd"
  printf 'options %s\n' "$options"
} >"$output/loader/entries/nixos-generation-1.conf"
if [ -n "$device_tree" ]; then
  blob=$(copy "$(readlink -f "$device_tree")")
  printf 'devicetree %s\n' "$blob" >>"$output/loader/entries/nixos-generation-1.conf"
fi
printf 'timeout 0\ndefault nixos-generation-1.conf\nconsole-mode keep\n' >"$output/loader/loader.conf"
printf 'type1\n' >"$output/loader/entries.srel"
