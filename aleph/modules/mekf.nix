# The attitude filter: from the sensors in the database to the orientation in it.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.mekf;
  service = import ../service.nix {inherit config lib;};
in {
  options.services.mekf = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether the attitude filter runs on this board.";
    };
    package = lib.mkPackageOption pkgs ["aleph" "mekf"] {};
    configFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = lib.literalExpression "./mekf.lua";
      description = "Its configuration in Lua; without one it has its own defaults.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.mekf = service.client {
      description = "Attitude filter";
      environment.RUST_LOG = "info";
      command = [(lib.getExe cfg.package)] ++ lib.optional (cfg.configFile != null) "${cfg.configFile}";
      serviceConfig = {
        KillSignal = "SIGINT";
        PrivateDevices = true;
      };
    };
  };
}
