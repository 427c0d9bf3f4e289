# GStreamer with the element that sends video to the database. No service: pipelines are the user's own.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.elodinsink;
  plugins =
    [pkgs.gst_all_1.gstreamer pkgs.gst_all_1.gst-plugins-base cfg.package]
    ++ lib.optionals cfg.includeBasePlugins [
      pkgs.gst_all_1.gst-plugins-good
      pkgs.gst_all_1.gst-plugins-bad
      pkgs.gst_all_1.gst-plugins-ugly
    ]
    ++ lib.optional cfg.includeNvidiaPlugins pkgs.nvidia-jetpack.l4t-gstreamer;
in {
  options.services.elodinsink = {
    enable = lib.mkEnableOption "GStreamer with the elodinsink element";
    package = lib.mkPackageOption pkgs ["elodin" "elodinsink"] {};
    includeNvidiaPlugins = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether NVIDIA's plugins, with the board's encoders, are there.";
    };
    includeBasePlugins = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the good, bad and ugly plugins are there; h264parse and x264enc are among them.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment = {
      systemPackages = plugins;
      # Lists, so that they merge with those of aleph-dev.
      variables = {
        GST_PLUGIN_PATH = map (plugin: "${lib.getLib plugin}/lib/gstreamer-1.0") plugins;
        LD_LIBRARY_PATH = map (plugin: "${lib.getLib plugin}/lib") plugins;
      };
    };
  };
}
