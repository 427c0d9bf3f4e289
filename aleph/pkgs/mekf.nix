{
  lib,
  mkRustPackage,
  rustPlatform,
}:
mkRustPackage {
  pname = "mekf";
  directory = "fsw/mekf";
  # The model of the Earth's magnetic field is a C library.
  extraFiles = [".c" ".h"];
  nativeBuildInputs = [rustPlatform.bindgenHook];
  meta = {
    description = "Attitude filter on the data in Elodin-DB";
    license = with lib.licenses; [mit asl20];
    mainProgram = "mekf";
  };
}
