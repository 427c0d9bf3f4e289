# A systemd-boot that leaves room behind the device tree, for the nodes that the firmware adds to it. Booting from
# USB needs that. Only the boot loader is built for it: all else keeps the systemd that is in the cache.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.aleph.boot.roomyDeviceTree;
  efi = config.boot.loader.efi.efiSysMountPoint;
in {
  options.aleph.boot.roomyDeviceTree = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether the boot loader leaves the firmware room to add to the device tree.";
    };
    package = lib.mkPackageOption pkgs ["aleph" "roomy-systemd-boot"] {};
  };

  config = lib.mkIf cfg.enable {
    # By rename: a power cut finds the old loader or the new one.
    boot.loader.systemd-boot.extraInstallCommands = ''
      set -e
      for loader in EFI/systemd/systemd-bootaa64.efi EFI/BOOT/BOOTAA64.EFI; do
        ${pkgs.coreutils}/bin/install -D -m 644 ${cfg.package}/systemd-bootaa64.efi "${efi}/$loader.new"
        ${pkgs.coreutils}/bin/mv -f "${efi}/$loader.new" "${efi}/$loader"
      done
      ${pkgs.coreutils}/bin/sync -f "${efi}"
    '';
  };
}
