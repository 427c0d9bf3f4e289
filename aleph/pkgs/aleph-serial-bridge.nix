{
  lib,
  mkRustPackage,
}:
mkRustPackage {
  pname = "aleph-serial-bridge";
  directory = "fsw/serial-bridge";
  meta = {
    description = "Sensor data from the microcontroller's serial link to Elodin-DB";
    license = with lib.licenses; [mit asl20];
    mainProgram = "aleph-serial-bridge";
  };
}
