{
  coreutils,
  lib,
  writeShellApplication,
}:
writeShellApplication {
  name = "set-hostname";
  runtimeInputs = [coreutils];
  text = ''
    # Decimal, with a NUL at its end; 10# because a leading zero does not make it octal.
    serial=$(tr -d '\0' < /proc/device-tree/serial-number)
    digits=$(printf '%04x' "$((10#$serial))")
    printf 'aleph-%s' "''${digits: -4}" > /proc/sys/kernel/hostname
  '';
  meta = {
    description = "Name an Aleph after its serial number";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux;
  };
}
