{
  ffmpeg-full,
  lib,
  mkRustPackage,
  pkg-config,
  rustPlatform,
}:
mkRustPackage {
  pname = "video-streamer";
  directory = "fsw/video-streamer";
  nativeBuildInputs = [pkg-config rustPlatform.bindgenHook];
  buildInputs = [ffmpeg-full];
  meta = {
    description = "Sends a video file to Elodin-DB as if it were a camera";
    license = lib.licenses.asl20;
    mainProgram = "video-streamer";
  };
}
