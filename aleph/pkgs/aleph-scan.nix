{
  avahi,
  coreutils,
  gnused,
  lib,
  stdenv,
  writeShellApplication,
}:
writeShellApplication {
  name = "aleph-scan";
  # macOS has dns-sd of its own.
  runtimeInputs = [coreutils gnused] ++ lib.optional stdenv.hostPlatform.isLinux avahi;
  text = builtins.readFile ./scripts/aleph-scan.sh;
  meta = {
    description = "Find the Alephs on this network";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
