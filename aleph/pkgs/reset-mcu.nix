{
  lib,
  libgpiod_1,
  writeShellApplication,
}:
writeShellApplication {
  name = "reset-mcu";
  runtimeInputs = [libgpiod_1];
  # The carrier's GPIO11 is the microcontroller's nRST.
  text = ''
    gpioset --mode=time --usec=100 gpiochip0 106=0
    gpioset gpiochip0 106=1
  '';
  meta = {
    description = "Restart the microcontroller of the expansion board";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux;
  };
}
