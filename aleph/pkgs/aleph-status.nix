{
  lib,
  mkRustPackage,
}:
mkRustPackage {
  pname = "aleph-status";
  directory = "fsw/aleph-status";
  # The logo.
  extraFiles = [".png"];
  meta = {
    description = "What an Aleph is doing, in a terminal";
    license = lib.licenses.asl20;
    mainProgram = "aleph-status";
  };
}
