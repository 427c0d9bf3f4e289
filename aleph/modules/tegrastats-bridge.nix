# Temperatures, clocks and load of the board into the database.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.tegrastats-bridge;
  service = import ../service.nix {inherit config lib;};
in {
  options.services.tegrastats-bridge = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the board's temperatures, clocks and load go into the database.";
    };
    package = lib.mkPackageOption pkgs ["aleph" "tegrastats-bridge"] {};
  };

  config = lib.mkIf cfg.enable {
    systemd.services.tegrastats-bridge = service.client {
      description = "Health of the board to Elodin-DB";
      command = [(lib.getExe cfg.package)];
      # Not debug: while the database is away it tries again without a pause, and would fill the journal.
      environment.RUST_LOG = "info";
      serviceConfig = {
        KillSignal = "SIGINT";
        # That same loop must not take a whole core from the flight software.
        CPUWeight = 20;
        # All it reads is in /sys, for everybody.
        PrivateDevices = true;
      };
    };
  };
}
