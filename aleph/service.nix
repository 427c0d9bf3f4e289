# What all services of the flight software have in common.
{
  config,
  lib,
}: let
  hasDatabase = config.services.elodin-db.enable or false;
in {
  # A unit may only be ordered after one that exists, so this depends on whether the database runs on this board.
  afterDatabase = {
    after = ["network.target"] ++ lib.optional hasDatabase "elodin-db.service";
    wants = lib.optional hasDatabase "elodin-db.service";
  };

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
}
