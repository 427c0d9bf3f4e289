# The system as an image for a USB stick or an SD card, `system.build.sdImage`.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}: let
  inherit (pkgs) buildPackages;
  deviceTree = config.hardware.deviceTree;
in {
  imports = [
    "${modulesPath}/installer/sd-card/sd-image.nix"
    ./fs.nix
    ./roomy-device-tree.nix
  ];

  aleph = {
    sd.enable = true;
    boot.roomyDeviceTree.enable = lib.mkDefault true;
  };

  # The file is sd-image/aleph-os.img, with .zst behind it where it is compressed.
  image.baseName = "aleph-os";

  sdImage = {
    # The firmware boots from this partition, so it holds kernels too.
    firmwareSize = 256;
    populateFirmwareCommands = ''
      ${lib.getExe buildPackages.aleph.make-esp} \
        --toplevel ${config.system.build.toplevel} \
        --loader ${config.aleph.boot.roomyDeviceTree.package}/systemd-bootaa64.efi \
        ${lib.optionalString (deviceTree.enable && deviceTree.name != null) "--device-tree ${deviceTree.package}/${deviceTree.name}"} \
        --output firmware
    '';
    populateRootCommands = "";
    # Where the partitions are, in sectors, for tools that want one of them. From sfdisk's own JSON: in fdisk's
    # table the boot flag is a column of its own.
    postBuildCommands = ''
      table=$(sfdisk --json "$img")
      number() { printf '%s' "$table" | ${lib.getExe buildPackages.jq} ".partitiontable.partitions[$1].$2"; }
      number 0 start > $out/esp.offset
      number 0 size > $out/esp.size
      number 1 start > $out/root.offset
      number 1 size > $out/root.size
    '';
  };
}
