# The firmware of the board. Connect it in Force Recovery mode and run `flash-uefi` as root.
{pkgs, ...}: let
  # The carrier board of NVIDIA's developer kit has an EEPROM that says what it is. Ours has none, and the boot loader
  # would wait for it. What comes later in a device tree source wins, so this goes to the end of NVIDIA's file.
  noCarrierEeprom = pkgs.writeText "no-carrier-eeprom.dts" ''

    / {
      mb2-misc {
        eeprom {
          cvb_eeprom_read_size = <0x0>;
        };
      };
    };
  '';
in {
  # It names the script: flash-uefi.
  networking.hostName = "uefi";

  hardware.nvidia-jetpack = {
    enable = true;
    som = "orin-nx";
    carrierBoard = "devkit";
    # CUDA cannot be cross-compiled, and firmware has none.
    configureCuda = false;
    flashScriptOverrides.preFlashCommands = ''
      chmod u+w bootloader/generic/BCT/tegra234-mb2-bct-misc-p3767-0000.dts
      cat ${noCarrierEeprom} >> bootloader/generic/BCT/tegra234-mb2-bct-misc-p3767-0000.dts
    '';
  };
  hardware.graphics.enable = true;
  nixpkgs.config.allowUnfree = true;

  # This system is never started; without these it would not evaluate.
  fileSystems."/".fsType = "tmpfs";
  boot.loader.grub.enable = false;
  system.stateVersion = "25.05";
}
