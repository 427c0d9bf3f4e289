# Sensor data from the microcontroller, over the serial link between the boards, into the database.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.aleph-serial-bridge;
  service = import ../service.nix {inherit config lib;};
in {
  options.services.aleph-serial-bridge = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the microcontroller's data goes into the database.";
    };
    package = lib.mkPackageOption pkgs ["aleph" "aleph-serial-bridge"] {};
  };

  config = lib.mkIf cfg.enable {
    systemd.services.serial-bridge = service.client {
      description = "Serial link to Elodin-DB";
      command = [(lib.getExe cfg.package)];
      # Not debug: while the database is away it tries again without a pause, and would fill the journal.
      environment.RUST_LOG = "info";
      serviceConfig = {
        KillSignal = "SIGINT";
        # That same loop must not take a whole core from the flight software.
        CPUWeight = 20;
        SupplementaryGroups = ["dialout"];
        DevicePolicy = "closed";
        # The link's device is in the program.
        DeviceAllow = ["/dev/ttyTHS0 rw"];
      };
    };
  };
}
