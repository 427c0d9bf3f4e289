{
  gst_all_1,
  lib,
  mkRustPackage,
  pkg-config,
  runCommand,
}: let
  elodinsink = mkRustPackage {
    pname = "elodinsink";
    crate = "gst-elodin-plugin";
    directory = "fsw/gstreamer";
    nativeBuildInputs = [pkg-config];
    buildInputs = [gst_all_1.gstreamer gst_all_1.gst-plugins-base];
    # GStreamer looks for plugins in a directory of their own.
    postInstall = ''
      mkdir -p $out/lib/gstreamer-1.0
      for library in $out/lib/libgstelodin.*; do
        ln -s "$library" $out/lib/gstreamer-1.0/
      done
    '';
    passthru.tests.inspect = runCommand "elodinsink-inspect" {} ''
      export GST_PLUGIN_PATH=${elodinsink}/lib/gstreamer-1.0 GST_REGISTRY=$TMPDIR/registry
      ${lib.getExe' gst_all_1.gstreamer "gst-inspect-1.0"} elodinsink > $out
      grep -q db-address $out
    '';
    meta = {
      description = "GStreamer element that sends H.264 video to Elodin-DB";
      license = lib.licenses.mit;
    };
  };
in
  elodinsink
