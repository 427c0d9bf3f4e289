# Puts components that others broadcast over UDP into the database.
{
  config,
  lib,
  pkgs,
  ...
}: let
  inherit (lib) types;
  cfg = config.services.udp-component-receive;
  service = import ../service.nix {inherit config lib;};
in {
  imports = [./ports.nix];

  options.services.udp-component-receive = {
    enable = lib.mkEnableOption "the reception of components over UDP";
    package = lib.mkPackageOption pkgs ["aleph" "udp-component-broadcast"] {};
    inherit (service.options) autostart dbAddr verbose;
    listenPort = lib.mkOption {
      type = types.port;
      default = 41235;
      example = 41236;
      description = "The UDP port to listen on.";
    };
    openFirewall = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether other machines reach that port; without it there is nobody to hear.";
    };
    filter = lib.mkOption {
      type = types.listOf types.str;
      default = [];
      example = ["target.world_pos"];
      description = "The components to take; all when there is none.";
    };
    timestampMode = lib.mkOption {
      type = types.enum ["sender" "local" "monotonic"];
      default = "sender";
      example = "local";
      description = "Whose clock the data is stored with: the sender's, this board's, or this board's since boot.";
    };
    extraArgs = service.options.extraArgs "udp-receive";
  };

  config = lib.mkIf cfg.enable {
    aleph.ports.udp-component-receive = {
      port = cfg.listenPort;
      protocol = "udp";
    };
    networking.firewall.allowedUDPPorts = lib.mkIf cfg.openFirewall [cfg.listenPort];

    environment.systemPackages = [cfg.package];
    systemd.services.udp-component-receive = service.client {
      description = "Reception of broadcast components";
      inherit (cfg) autostart;
      command =
        [
          (lib.getExe' cfg.package "udp-receive")
          "--db-addr"
          cfg.dbAddr
          "--listen-port"
          (toString cfg.listenPort)
          "--timestamp-mode"
          cfg.timestampMode
        ]
        ++ lib.concatMap (component: ["--filter" component]) cfg.filter
        ++ lib.optional cfg.verbose "-v"
        ++ cfg.extraArgs;
      serviceConfig.PrivateDevices = true;
    };
  };
}
