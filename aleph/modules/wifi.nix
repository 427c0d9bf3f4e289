# WiFi with iwd, and a name for each board from its serial number: aleph-1a2b.
{
  config,
  lib,
  pkgs,
  ...
}: {
  networking = {
    # Forced: any static name would be set again at each switch.
    hostName = lib.mkForce "";
    dhcpcd.enable = true;
    wireless.iwd = {
      enable = true;
      settings = {
        Network.EnableIPv6 = true;
        Settings.AutoConnect = true;
      };
    };
  };

  # The card sleeps between packets, and telemetry comes late.
  boot.extraModprobeConfig = ''
    options iwlwifi power_save=0 uapsd_disable=1 d0i3_disable=1
    options iwlmvm power_scheme=1
  '';

  systemd.services.set-hostname = {
    description = "Name the board after its serial number";
    wantedBy = ["network-pre.target" "multi-user.target"];
    before = ["network-pre.target"] ++ lib.optional config.services.avahi.enable "avahi-daemon.service";
    unitConfig.ConditionPathExists = "/proc/device-tree/serial-number";
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      Restart = "on-failure";
      RestartSec = "100ms";
      ExecStart = lib.getExe pkgs.aleph.set-hostname;
      # It writes to /proc/sys and nowhere else.
      NoNewPrivileges = true;
      PrivateTmp = true;
      ProtectHome = true;
      ProtectSystem = "strict";
      RestrictAddressFamilies = "none";
    };
  };
}
