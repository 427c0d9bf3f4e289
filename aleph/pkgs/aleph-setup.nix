{
  lib,
  mkRustPackage,
}:
mkRustPackage {
  pname = "aleph-setup";
  directory = "fsw/aleph-setup";
  meta = {
    description = "Set-up wizard of the Aleph: WiFi, a user and their SSH keys";
    license = lib.licenses.asl20;
    mainProgram = "aleph-setup";
  };
}
