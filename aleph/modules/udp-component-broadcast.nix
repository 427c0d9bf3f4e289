# Sends one component of the database to everybody on the network, over UDP.
{
  config,
  lib,
  pkgs,
  ...
}: let
  inherit (lib) types;
  cfg = config.services.udp-component-broadcast;
  service = import ../service.nix {inherit config lib;};
in {
  options.services.udp-component-broadcast = {
    enable = lib.mkEnableOption "the broadcast of a component over UDP";
    package = lib.mkPackageOption pkgs ["aleph" "udp-component-broadcast"] {};
    inherit (service.options) autostart dbAddr verbose;
    component = lib.mkOption {
      type = types.str;
      example = "bdx.world_pos";
      description = "The component to send.";
    };
    rename = lib.mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "target.world_pos";
      description = "Its name for those who receive it, if another one.";
    };
    sourceId = lib.mkOption {
      type = types.str;
      default = "source";
      example = "chaser";
      description = "Who it is that sends.";
    };
    broadcastRate = lib.mkOption {
      type = types.numbers.positive;
      default = 10.0;
      example = 50.0;
      description = "How often it is sent, in Hz.";
    };
    broadcastPort = lib.mkOption {
      type = types.port;
      default = 41235;
      example = 41236;
      description = "The UDP port that it is sent to.";
    };
    extraArgs = service.options.extraArgs "udp-broadcast";
  };

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [cfg.package];
    systemd.services.udp-component-broadcast = service.client {
      description = "Broadcast of ${cfg.component}";
      inherit (cfg) autostart;
      command =
        [
          (lib.getExe' cfg.package "udp-broadcast")
          "--component"
          cfg.component
        ]
        ++ lib.optionals (cfg.rename != null) ["--rename" cfg.rename]
        ++ [
          "--source-id"
          cfg.sourceId
          "--db-addr"
          cfg.dbAddr
          "--broadcast-rate"
          (toString cfg.broadcastRate)
          "--broadcast-port"
          (toString cfg.broadcastPort)
        ]
        ++ lib.optional cfg.verbose "-v"
        ++ cfg.extraArgs;
      serviceConfig = {
        PrivateDevices = true;
        # It asks for the addresses of the interfaces.
        RestrictAddressFamilies = service.hardening.RestrictAddressFamilies ++ ["AF_NETLINK"];
      };
    };
  };
}
