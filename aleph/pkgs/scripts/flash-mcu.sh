# flash-mcu FILE: an ELF file, or a raw image for 0x08000000.

if [ "$#" -ne 1 ] || [ ! -f "$1" ]; then
  printf 'usage: flash-mcu FILE (an ELF file or a raw image)\n' >&2
  exit 2
fi

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
image=$directory/firmware.bin
if [ "$(head -c 4 "$1" | od -An -tx1 | tr -d ' \n')" = 7f454c46 ]; then
  arm-none-eabi-objcopy -O binary "$1" "$image"
else
  cp --no-preserve=mode "$1" "$image"
fi
if ! dfu-suffix --check "$image" >/dev/null 2>&1; then
  dfu-suffix --vid 0483 --pid df11 --add "$image"
fi

# The carrier's GPIO9 is BOOT0: high while the microcontroller starts, it starts its loader.
gpioset --mode=time --usec=20000 gpiochip0 144=1 &
reset-mcu
wait "$!"

# The loader takes a moment to be there on USB.
for _ in $(seq 50); do
  if dfu-util --list 2>/dev/null | grep -q '0483:df11'; then
    break
  fi
  sleep 0.1
done
# `leave` starts the firmware; the loader's good-bye is an error to dfu-util, code 74.
status=0
dfu-util --device 0483:df11 --alt 0 --dfuse-address 0x08000000:leave --download "$image" || status=$?
if [ "$status" -ne 0 ] && [ "$status" -ne 74 ]; then
  printf 'flash-mcu: dfu-util failed; is the expansion board connected?\n' >&2
  exit "$status"
fi
