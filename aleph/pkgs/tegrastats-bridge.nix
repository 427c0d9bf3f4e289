{
  lib,
  mkRustPackage,
}:
mkRustPackage {
  pname = "tegrastats-bridge";
  directory = "fsw/tegrastats-bridge";
  meta = {
    description = "Temperatures, clocks and load of a Jetson to Elodin-DB";
    license = lib.licenses.asl20;
    mainProgram = "tegrastats-bridge";
  };
}
