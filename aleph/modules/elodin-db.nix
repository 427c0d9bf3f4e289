# The telemetry database.
{
  config,
  lib,
  pkgs,
  ...
}: let
  inherit (lib) types;
  cfg = config.services.elodin-db;
  service = import ../service.nix {inherit config lib;};
in {
  imports = [./ports.nix];

  options.services.elodin-db = {
    enable = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether Elodin-DB runs on this board.";
    };
    package = lib.mkPackageOption pkgs ["elodin" "elodin-db"] {};
    autostart = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether it starts with the system, and not only when another service wants it.";
    };
    dbUniqueOnBoot = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether each boot has a database of its own, named after the time; otherwise there is one, `default`.";
    };
    dbFolderName = lib.mkOption {
      type = types.str;
      default = "/db";
      example = "/data/flights";
      description = "The directory that the databases are in.";
    };
    port = lib.mkOption {
      type = types.port;
      default = 2240;
      example = 2241;
      description = "The TCP port for telemetry.";
    };
    httpPort = lib.mkOption {
      type = types.port;
      default = 2248;
      example = 2249;
      description = "The TCP port of the HTTP interface.";
    };
    openFirewall = lib.mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether other machines reach these two ports. The database asks nobody who they are.";
    };
  };

  config = lib.mkIf cfg.enable {
    aleph.ports = {
      elodin-db.port = cfg.port;
      elodin-db-http.port = cfg.httpPort;
    };
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [cfg.port cfg.httpPort];

    environment.systemPackages = [cfg.package];

    users = {
      users.elodin-db = {
        isSystemUser = true;
        group = "elodin-db";
        description = "Telemetry database";
      };
      groups.elodin-db = {};
    };
    systemd.tmpfiles.settings.elodin-db.${cfg.dbFolderName}.d = {
      user = "elodin-db";
      group = "elodin-db";
      mode = "0755";
    };

    systemd.services.elodin-db = {
      description = "Elodin telemetry database";
      wantedBy = lib.optional cfg.autostart "multi-user.target";
      after = ["network.target"];
      inherit (service) unitConfig;
      environment.RUST_LOG = "info";
      # The name of this boot's database, kept for it: a restart or a switch goes on in the same one.
      preStart = ''
        if [ ! -e /run/elodin-db/name ]; then
          printf '%s' ${
          if cfg.dbUniqueOnBoot
          then "\"default-$(date +%Y%m%d-%H%M%S)\""
          else "default"
        } > /run/elodin-db/name
        fi
      '';
      script = ''
        exec ${lib.getExe cfg.package} run '[::]:${toString cfg.port}' \
          --http-addr '[::]:${toString cfg.httpPort}' \
          ${lib.escapeShellArg cfg.dbFolderName}/"$(cat /run/elodin-db/name)"
      '';
      serviceConfig =
        service.hardening
        // service.restart
        // {
          Type = "exec";
          User = "elodin-db";
          Group = "elodin-db";
          # It writes out what it has on this one.
          KillSignal = "SIGINT";
          RuntimeDirectory = "elodin-db";
          RuntimeDirectoryPreserve = true;
          ReadWritePaths = [cfg.dbFolderName];
          UMask = "0022";
          LimitNOFILE = 524288;
        };
    };
  };
}
