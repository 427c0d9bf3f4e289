# The one dev shell, in groups. To add a package, put it on a line of its own in the group where one would look for it.
#
# `nix develop` has what comes from nixpkgs; `nix develop .#full` also builds what this flake makes (the SDK, the
# GStreamer element) and has the clients of the clouds.
{
  full,
  lib,
  mkShell,
  pkgs,
  # Of this flake:
  elodin-py,
  elodinsink,
  graphicsEnvironment,
  pythonWithJax,
  workspaceToolchain,
  xlaExtension,
}: let
  inherit (pkgs.stdenv.hostPlatform) isDarwin isLinux;
  gstreamer = [
    pkgs.gst_all_1.gstreamer
    pkgs.gst_all_1.gst-plugins-base
    pkgs.gst_all_1.gst-plugins-good
    pkgs.gst_all_1.gst-plugins-bad
    pkgs.gst_all_1.gst-plugins-ugly
  ];

  groups = {
    rust = [
      workspaceToolchain
      pkgs.cargo-nextest
      pkgs.buildkite-test-collector-rust
      pkgs.flip-link
    ];
    python = [
      (
        if full
        then
          pythonWithJax.withPackages (python: [
            elodin-py
            python.pytest
            python.pytest-json-report
          ])
        else pkgs.python312
      )
      pkgs.maturin
      pkgs.ruff
      pkgs.uv
    ];
    native = [
      pkgs.clang
      pkgs.cmake
      pkgs.gfortran
      pkgs.pkg-config
      pkgs.bzip2
      pkgs.openblas
      pkgs.openssl
      pkgs.xz
    ];
    media = gstreamer ++ [pkgs.ffmpeg-full] ++ lib.optional full elodinsink;
    operations = [
      pkgs.docker-client
      pkgs.gettext
      pkgs.git-filter-repo
      pkgs.git-lfs
      pkgs.jq
      pkgs.just
      pkgs.kubectl
      pkgs.skopeo
      pkgs.yq
    ];
    cloud = lib.optionals full [
      pkgs.azure-cli
      (pkgs.google-cloud-sdk.withExtraComponents [pkgs.google-cloud-sdk.components.gke-gcloud-auth-plugin])
    ];
    documentation = [
      pkgs.alejandra
      pkgs.rav1e
      pkgs.typos
      pkgs.zola
    ];
  };

  # All that differs between the systems is here.
  platform =
    if isLinux
    then {
      packages =
        graphicsEnvironment.libraries
        ++ [
          pkgs.alsa-utils
          pkgs.fontconfig
          pkgs.gtk3
          pkgs.lldb
          pkgs.vulkan-headers
          pkgs.vulkan-tools
        ];
      # Libraries that programs built in this shell open at run time.
      libraries = graphicsEnvironment.libraries ++ [(lib.getLib pkgs.gfortran.cc)];
      variables =
        graphicsEnvironment.variables
        // {
          # GCC 14 made an error of what the C parts of the reference LAPACK do.
          NIX_CFLAGS_COMPILE = "-Wno-error=incompatible-pointer-types";
        };
    }
    else {
      packages = [pkgs.libiconv];
      libraries = [];
      variables = lib.optionalAttrs isDarwin {
        LLDB_DEBUGSERVER_PATH = "/Applications/Xcode.app/Contents/SharedFrameworks/LLDB.framework/Versions/A/Resources/debugserver";
      };
    };
in
  mkShell {
    name = "elodin";
    packages = lib.concatLists (lib.attrValues groups) ++ platform.packages;
    env =
      {
        LIBCLANG_PATH = "${lib.getLib pkgs.libclang}/lib";
        XLA_EXTENSION_DIR = "${xlaExtension}";
        FC = lib.getExe' pkgs.gfortran "gfortran";
        F77 = lib.getExe' pkgs.gfortran "gfortran";
        CMAKE_Fortran_COMPILER = lib.getExe' pkgs.gfortran "gfortran";
        GST_PLUGIN_PATH = lib.makeSearchPathOutput "lib" "lib/gstreamer-1.0" (gstreamer ++ lib.optional full elodinsink);
      }
      // platform.variables;
    # The hook runs in the user's shell, so it sets what must be joined with what is there, and nothing else: no
    # banner, no `set`, no other shell.
    shellHook = lib.optionalString (platform.libraries != []) ''
      export LD_LIBRARY_PATH=${lib.makeLibraryPath platform.libraries}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    '';
    meta.description = "Everything to work on the Elodin platform";
  }
