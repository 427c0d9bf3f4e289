# Fills the EFI system partition of an image: the boot loader, and an entry for one system.
{
  coreutils,
  jq,
  writeShellApplication,
}:
writeShellApplication {
  name = "make-esp";
  runtimeInputs = [coreutils jq];
  text = builtins.readFile ./scripts/make-esp.sh;
  meta.description = "Make the contents of an EFI system partition for a NixOS system";
}
