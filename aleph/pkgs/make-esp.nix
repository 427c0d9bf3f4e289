# Fills the EFI system partition of an image: the boot loader, and an entry for one system.
{
  coreutils,
  jq,
  lib,
  writeShellApplication,
}:
writeShellApplication {
  name = "make-esp";
  runtimeInputs = [coreutils jq];
  text = builtins.readFile ./scripts/make-esp.sh;
  meta = {
    description = "Make the contents of an EFI system partition for a NixOS system";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux;
  };
}
