# What programs that draw and play sound on Linux open at run time, and the variables by which they find it on a
# distribution other than NixOS. For the wrapper of elodin-cli and for the dev shell.
{
  alsa-lib,
  lib,
  libGL,
  libglvnd,
  libdrm,
  libxkbcommon,
  mesa,
  pipewire,
  stdenv,
  systemd,
  udev,
  vulkan-loader,
  vulkan-validation-layers,
  wayland,
  xorg,
}: let
  cpu = stdenv.hostPlatform.parsed.cpu.name;
  # Mesa names its Vulkan drivers after the architecture, and builds Intel's for x86 only.
  vulkanDrivers = ["radeon" "lvp"] ++ lib.optional stdenv.hostPlatform.isx86_64 "intel";
in {
  libraries = [
    alsa-lib
    libGL
    libdrm
    libglvnd
    libxkbcommon
    mesa
    pipewire
    systemd
    udev
    vulkan-loader
    vulkan-validation-layers
    wayland
    xorg.libX11
    xorg.libXcursor
    xorg.libXext
    xorg.libXi
    xorg.libXrandr
    xorg.libxshmfence
  ];
  variables = {
    ALSA_PLUGIN_DIR = "${pipewire}/lib/alsa-lib";
    LIBGL_DRIVERS_PATH = "${mesa}/lib/dri";
    LIBVA_DRIVERS_PATH = "${mesa}/lib/dri";
    VK_ICD_FILENAMES = lib.concatMapStringsSep ":" (driver: "${mesa}/share/vulkan/icd.d/${driver}_icd.${cpu}.json") vulkanDrivers;
    VK_LAYER_PATH = "${vulkan-validation-layers}/share/vulkan/explicit_layer.d";
    __GLX_VENDOR_LIBRARY_NAME = "mesa";
  };
}
