# The board: a Jetson Orin NX on Elodin's carrier. The flake adds jetpack-nixos.
{lib, ...}: {
  imports = [./roomy-device-tree.nix];

  hardware = {
    nvidia-jetpack = {
      enable = true;
      majorVersion = "6";
      som = "orin-nx";
      carrierBoard = "devkit";
      kernel.realtime = lib.mkDefault true;
    };
    # The carrier's own, from the sources that the overlay puts in the place of NVIDIA's.
    deviceTree.name = "tegra234-p3767-0000-aleph.dtb";
    # Modules for other machines, which this kernel does not have.
    enableAllHardware = lib.mkForce false;
    # The JetPack module turns CUDA on with it.
    graphics.enable = lib.mkDefault true;
  };

  # NVIDIA's. No mkDefault: nixpkgs takes what is in `config` as it is, a default would be a set and not a Boolean.
  nixpkgs.config.allowUnfree = true;

  boot = {
    loader = {
      systemd-boot = {
        enable = true;
        installDeviceTree = true;
      };
      # The firmware has no room for variables of ours; it finds the loader by its standard name.
      efi.canTouchEfiVariables = false;
      grub.enable = false;
    };
    kernelParams = [
      "console=tty0"
      "fbcon=map:0"
      "video=efifb:off"
      "console=ttyTCU0,115200"
      "nohibernate"
      "loglevel=4"
    ];
    initrd = {
      # Forced: NixOS' list has modules that this kernel does not have, and the build of the initrd would fail.
      availableKernelModules = lib.mkForce [
        "ext4"
        "pcie_tegra194"
        "phy_tegra194_p2u"
        "scsi_mod"
        "sd_mod"
        "uas"
        "usb_storage"
        "xhci-hcd"
        "xhci-tegra"
      ];
      # In this order, or a system on a USB stick does not find its disk.
      kernelModules = ["xhci-tegra" "usb_storage" "uas" "sd_mod"];
    };
  };
}
