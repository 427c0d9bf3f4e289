# The documentation site and a small web server, on port 8080.
{
  docsSite,
  lib,
  mkImage,
  static-web-server,
}:
mkImage {
  name = "docs";
  description = "Documentation of the Elodin platform";
  config = {
    Entrypoint = [(lib.getExe static-web-server)];
    Cmd = ["--host" "::" "--port" "8080" "--root" "${docsSite}"];
    ExposedPorts."8080/tcp" = {};
  };
}
