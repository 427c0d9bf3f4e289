{
  lib,
  mkRustPackage,
  pkg-config,
  udev,
}:
mkRustPackage {
  pname = "msp-osd";
  # It has a version of its own.
  version = "0.1.0";
  directory = "fsw/msp-osd";
  nativeBuildInputs = [pkg-config];
  # To find serial ports.
  buildInputs = [udev];
  meta = {
    description = "On-screen display over MSP DisplayPort, from Elodin-DB";
    license = lib.licenses.mit;
    mainProgram = "msp-osd";
    platforms = lib.platforms.linux;
  };
}
