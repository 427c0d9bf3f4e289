# The disks of an installed board. An image for a stick or a card brings its own (sd-image.nix).
{
  config,
  lib,
  ...
}: {
  options.aleph = {
    sd.enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether this system is on a USB stick or an SD card, and not on the NVMe disk.";
    };
    fs.rootPartitionUUID = lib.mkOption {
      type = lib.types.strMatching "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
      default = "540dcfde-0e9d-4536-a1d7-7e57581ff96f";
      example = "14e19a7b-0ae0-484d-9d54-43bd6fdc20c7";
      description = "The UUID of the root file system; the installer makes it with this one.";
    };
  };

  config.fileSystems = lib.mkIf (!config.aleph.sd.enable) {
    "/" = {
      device = "/dev/disk/by-uuid/${config.aleph.fs.rootPartitionUUID}";
      fsType = "ext4";
    };
    "/boot" = {
      device = "/dev/disk/by-label/BOOT";
      fsType = "vfat";
      # The random seed is there, not for everybody to read.
      options = ["umask=0077"];
    };
  };
}
