# What the services of the flight software have in common.
{
  config,
  lib,
}: let
  inherit (lib) types;
  hasDatabase = config.services.elodin-db.enable or false;

  # In flight nobody is there to start it again, so it is never given up, but soon not tried so often any more.
  unitConfig.StartLimitIntervalSec = 0;
  restart = {
    Restart = "always";
    RestartSec = "1s";
    RestartSteps = 5;
    RestartMaxDelaySec = "30s";
  };

  # No filter of system calls: the programs do their I/O with io_uring, which one cannot look into.
  hardening = {
    CapabilityBoundingSet = "";
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    # An empty directory, and not a closed one: some look there for a file that may be missing.
    ProtectHome = "tmpfs";
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectSystem = "strict";
    RestrictAddressFamilies = ["AF_INET" "AF_INET6" "AF_UNIX"];
    RestrictNamespaces = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    UMask = "0077";
  };
in {
  inherit unitConfig restart hardening;

  # The unit of a program that reads the database or writes to it. A unit may only be ordered after one that exists, so
  # its order depends on whether the database runs on this board.
  client = {
    description,
    command,
    autostart ? true,
    environment ? {},
    serviceConfig ? {},
    restartTriggers ? [],
  }: {
    inherit description environment restartTriggers unitConfig;
    wantedBy = lib.optional autostart "multi-user.target";
    after = ["network.target"] ++ lib.optional hasDatabase "elodin-db.service";
    wants = lib.optional hasDatabase "elodin-db.service";
    serviceConfig =
      hardening
      // restart
      // {
        Type = "exec";
        ExecStart = lib.escapeShellArgs command;
        DynamicUser = true;
      }
      // serviceConfig;
  };

  # Options that several of them have.
  options = {
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
    verbose = lib.mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = "Whether it says more.";
    };
    extraArgs = program:
      lib.mkOption {
        type = types.listOf types.str;
        default = [];
        example = ["--verbose"];
        description = "More arguments for `${program}`.";
      };
  };
}
