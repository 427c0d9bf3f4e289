# Erases the board's disk and installs the system that this stick carries.

system=$(readlink -f /etc/aleph-installer/system)
read -r disk </etc/aleph-installer/disk || true
read -r uuid </etc/aleph-installer/root-uuid || true

if [ "$(id -u)" -ne 0 ]; then
  printf 'aleph-installer: run it as root\n' >&2
  exit 1
fi
if [ ! -b "$disk" ]; then
  printf 'aleph-installer: there is no disk %s\n' "$disk" >&2
  exit 1
fi
# It may be a link, such as /dev/disk/by-id/....
disk=$(readlink -f "$disk")
# The system that runs must not be on the disk, through whatever layers; nor anything else that is in use.
used=$(lsblk --noheadings --output MOUNTPOINTS "$disk" | tr -s '[:space:]' ' ')
used=${used# }
if [ -n "$used" ]; then
  printf 'aleph-installer: %s is in use (%s); start from the stick\n' "$disk" "${used% }" >&2
  exit 1
fi

lsblk --output NAME,SIZE,LABEL,MODEL "$disk"
if [ "${1-}" != --yes ]; then
  read -r -p "Erase $disk and install $(basename "$system")? Type yes: " answer
  [ "$answer" = yes ] || exit 1
fi

parted --script "$disk" -- \
  mklabel gpt \
  mkpart root ext4 512MB 100% \
  mkpart ESP fat32 1MB 512MB \
  set 2 esp on
partprobe "$disk"
udevadm settle

# nvme0n1 has nvme0n1p1, sda has sda1.
case $disk in
*[0-9]) part=${disk}p ;;
*) part=$disk ;;
esac
mkfs.ext4 -F -L APP -U "$uuid" "${part}1"
mkfs.vfat -F 32 -n BOOT "${part}2"

target=$(mktemp -d)
unmount() {
  umount --recursive "$target" || true
  rmdir "$target" || true
}
trap unmount EXIT
mount "${part}1" "$target"
mkdir -p "$target/boot"
mount -o umask=077 "${part}2" "$target/boot"
nixos-install --root "$target" --system "$system" --no-root-passwd --no-channel-copy
sync
printf 'Installed. Take the stick out and reboot.\n'
