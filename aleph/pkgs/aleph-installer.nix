{
  coreutils,
  dosfstools,
  e2fsprogs,
  lib,
  nixos-install-tools,
  parted,
  systemd,
  util-linux,
  writeShellApplication,
}:
writeShellApplication {
  name = "aleph-installer";
  runtimeInputs = [coreutils dosfstools e2fsprogs nixos-install-tools parted systemd util-linux];
  text = builtins.readFile ./scripts/aleph-installer.sh;
  meta = {
    description = "Install the system that this stick carries on the board's disk";
    license = with lib.licenses; [mit asl20];
    platforms = lib.platforms.linux;
  };
}
