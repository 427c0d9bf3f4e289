{
  lib,
  mkRustPackage,
  runCommand,
}: let
  elodin-db = mkRustPackage {
    pname = "elodin-db";
    directory = "libs/db";
    # The C and C++ client headers that it prints, and their templates. One header is in no crate.
    extraFiles = [".h" ".hpp" ".jinja"];
    extraPaths = ["libs/postcard-c/postcard.h"];
    passthru.tests.gen-cpp =
      runCommand "elodin-db-gen-cpp" {
        nativeBuildInputs = [elodin-db];
      } ''
        elodin-db gen-cpp > $out
        grep -q '^#' $out
      '';
    meta = {
      description = "Telemetry database of the Elodin platform";
      license = with lib.licenses; [mit asl20];
      mainProgram = "elodin-db";
    };
  };
in
  elodin-db
