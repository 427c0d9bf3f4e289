{
  coreutils,
  dfu-util,
  gcc-arm-embedded,
  gnugrep,
  lib,
  libgpiod_1,
  reset-mcu,
  writeShellApplication,
}:
writeShellApplication {
  name = "flash-mcu";
  runtimeInputs = [coreutils dfu-util gcc-arm-embedded gnugrep libgpiod_1 reset-mcu];
  text = builtins.readFile ./scripts/flash-mcu.sh;
  meta = {
    description = "Write firmware to the microcontroller of the expansion board";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux;
  };
}
