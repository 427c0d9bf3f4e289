# Puts `aleph-installer` on a system: it writes another system, which it carries with it, to the NVMe disk.
{
  config,
  lib,
  pkgs,
  ...
}: {
  imports = [./fs.nix];

  options.aleph.installer = {
    system = lib.mkOption {
      type = lib.types.package;
      example = lib.literalExpression "self.nixosConfigurations.default.config.system.build.toplevel";
      description = "The system to install.";
    };
    disk = lib.mkOption {
      type = lib.types.str;
      default = "/dev/nvme0n1";
      example = "/dev/sda";
      description = "The disk that is erased for it.";
    };
  };

  config = {
    environment = {
      systemPackages = [pkgs.aleph.aleph-installer];
      # What it reads; the link also takes the system into the image.
      etc = {
        "aleph-installer/system".source = config.aleph.installer.system;
        "aleph-installer/disk".text = config.aleph.installer.disk;
        "aleph-installer/root-uuid".text = config.aleph.fs.rootPartitionUUID;
      };
    };
  };
}
