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
    autostart = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether it starts with the system.";
    };
    dbAddr = lib.mkOption {
      type = types.str;
      default = "127.0.0.1:2240";
      example = "10.224.0.1:2240";
      description = "Address of the database.";
    };
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
    verbose = lib.mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether it says more.";
    };
    extraArgs = lib.mkOption {
      type = types.listOf types.str;
      default = [];
      example = ["--verbose"];
      description = "More arguments for `udp-receive`.";
    };
  };

  config = lib.mkIf cfg.enable {
    aleph.ports.udp-component-receive = {
      port = cfg.listenPort;
      protocol = "udp";
    };
    networking.firewall.allowedUDPPorts = lib.mkIf cfg.openFirewall [cfg.listenPort];

    environment.systemPackages = [cfg.package];
    systemd.services.udp-component-receive = {
      description = "Reception of broadcast components";
      wantedBy = lib.optional cfg.autostart "multi-user.target";
      inherit (service.afterDatabase) after wants;
      inherit (service) unitConfig;
      serviceConfig =
        service.hardening
        // service.restart
        // {
          Type = "exec";
          ExecStart = lib.escapeShellArgs ([
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
            ++ cfg.extraArgs);
          DynamicUser = true;
          PrivateDevices = true;
        };
    };
  };
}
