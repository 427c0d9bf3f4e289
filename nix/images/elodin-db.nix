# Elodin-DB in a container: the database in the volume /data, telemetry on 2240, HTTP on 2248.
{
  elodin-db,
  lib,
  mkImage,
}:
mkImage {
  name = "elodin-db";
  description = "Telemetry database of the Elodin platform";
  directories = ["data"];
  config = {
    Entrypoint = [(lib.getExe elodin-db)];
    Cmd = ["run" "[::]:2240" "/data" "--http-addr" "[::]:2248"];
    Env = ["RUST_LOG=info"];
    ExposedPorts = {
      "2240/tcp" = {};
      "2248/tcp" = {};
    };
    Volumes."/data" = {};
    WorkingDir = "/data";
    # How the database is told to finish its files.
    StopSignal = "SIGINT";
  };
}
