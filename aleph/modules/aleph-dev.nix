# Tools to work on the board itself: compilers, GStreamer, CUDA, containers, and the microcontroller's programs.
{
  lib,
  options,
  pkgs,
  ...
}: let
  inherit (pkgs) gst_all_1 nvidia-jetpack;
  # Also for a board without NVIDIA's modules, and for tests.
  hasJetpack = options.hardware ? nvidia-jetpack;
  gstreamer = [
    gst_all_1.gstreamer
    gst_all_1.gst-plugins-base
    gst_all_1.gst-plugins-good
    gst_all_1.gst-plugins-bad
    gst_all_1.gst-plugins-ugly
    gst_all_1.gst-plugins-rs
    pkgs.aravis
    pkgs.elodin.elodinsink
  ];
  nvidia = lib.optionals hasJetpack [
    nvidia-jetpack.l4t-cuda
    nvidia-jetpack.l4t-gstreamer
    nvidia-jetpack.l4t-multimedia
    nvidia-jetpack.l4t-camera
  ];
  cuda = lib.optionals hasJetpack [pkgs.cudaPackages.cudatoolkit pkgs.cudaPackages.cudnn];
in {
  nixpkgs.config = lib.optionalAttrs hasJetpack {
    allowUnfree = true;
    cudaSupport = true;
    cudaCapabilities = ["7.2" "8.7"];
  };

  hardware.graphics.enable = true;
  hardware.nvidia-container-toolkit.enable = lib.mkIf hasJetpack true;
  virtualisation.podman = {
    enable = true;
    dockerCompat = true;
    dockerSocket.enable = true;
  };

  environment = {
    # Lists, so that they merge with those of elodinsink.
    variables =
      {
        CONTAINER_HOST = "unix:///run/podman/podman.sock";
        GST_PLUGIN_PATH = map (plugin: "${lib.getLib plugin}/lib/gstreamer-1.0") gstreamer;
        LD_LIBRARY_PATH = map (it: "${lib.getLib it}/lib") ([pkgs.stdenv.cc.cc gst_all_1.gstreamer] ++ cuda ++ nvidia);
      }
      // lib.optionalAttrs hasJetpack {
        # This CUDA does not know the system's own compiler.
        NVCC_PREPEND_FLAGS = "-ccbin ${lib.getExe' pkgs.gcc13 "g++"}";
      };

    systemPackages =
      gstreamer
      ++ cuda
      ++ nvidia
      ++ lib.optional hasJetpack pkgs.cudaPackages.cuda_nvcc
      ++ [
        # The microcontroller
        pkgs.aleph.flash-mcu
        pkgs.aleph.reset-mcu
        pkgs.dfu-util
        pkgs.gcc-arm-embedded
        pkgs.libgpiod_1
        pkgs.stm32flash
        pkgs.tio

        # This platform
        pkgs.aleph.aleph-scan
        pkgs.aleph.aleph-status
        pkgs.aleph.video-streamer

        # Building
        pkgs.dtc
        pkgs.gcc
        pkgs.git
        pkgs.gnumake
        pkgs.pkg-config
        pkgs.python312
        pkgs.uv

        # Looking around
        pkgs.btop
        pkgs.ethtool
        pkgs.htop
        pkgs.i2c-tools
        pkgs.iperf3
        pkgs.lsof
        pkgs.nvme-cli
        pkgs.pciutils
        pkgs.ripgrep
        pkgs.rsync
        pkgs.tcpdump
        pkgs.usbutils
        (pkgs.v4l-utils.override {withGUI = false;})
        pkgs.vim
        pkgs.wget
      ];
  };
}
