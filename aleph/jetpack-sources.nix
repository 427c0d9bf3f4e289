# Elodin's carrier board has sources of its own in three of JetPack 6's repositories: the kernel, the device trees of
# the board and the graphics driver. The others are jetpack-nixos' own.
#
# `overrideScope` on what there is: a scope made anew would lose what jetpack-nixos put into it, the flash scripts too.
_: prev: {
  nvidia-jetpack6 = prev.nvidia-jetpack6.overrideScope (_: jetpackPrev: {
    gitRepos =
      jetpackPrev.gitRepos
      // {
        "kernel/kernel-jammy-src" = prev.fetchgit {
          url = "https://github.com/elodin-sys/aleph-orin-baseboard-kernel.git";
          rev = "0ff14d9f9862250d92d7600c2615edc7b2af4fca";
          hash = "sha256-+Ht02FTI1SijLhd0lsr9gBt6i4FsIALaECFbrhrhmqs=";
        };
        "hardware/nvidia/t23x/nv-public" = prev.fetchgit {
          url = "https://github.com/elodin-sys/aleph-jetson-orin-baseboard-nvidia-t23x-public-dts.git";
          rev = "806a0461e17661a7c8bbe4681dc54474d8b36b5e";
          hash = "sha256-z7HVSuL+Jv2q1xlZU9bGf4LHpN4M0dCT8AHUJ4ds4+w=";
        };
        nvgpu = prev.fetchgit {
          url = "https://github.com/OE4T/linux-nvgpu.git";
          rev = "21d928824dc7ca3dc17603a53b11edc6641ace2d";
          hash = "sha256-5OIjSK1grV/nz3hHkeZKRb7dXIQAokNcChGCtzlfBKs=";
        };
      };
  });
}
