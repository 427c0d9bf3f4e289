# Who may log in. There is no default password: nobody may, until the configuration says who.
{
  config,
  lib,
  ...
}: let
  inherit (lib) types;
  cfg = config.aleph.access;
  onUsb = cfg.passwordOnUsb;
  users = lib.attrValues config.users.users;
  hasKey = user: user.openssh.authorizedKeys.keys != [] || user.openssh.authorizedKeys.keyFiles != [];
in {
  options.aleph.access = {
    authorizedKeys = lib.mkOption {
      type = types.listOf types.singleLineStr;
      default = [];
      example = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... you@laptop"];
      description = "SSH public keys that may log in as root.";
    };
    consoleLogin = lib.mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether root is logged in on the debug console without being asked. Who holds that cable can also write new
        firmware; leave it off where the board is not in your own hands.
      '';
    };
    passwordOnUsb = {
      enable = lib.mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether root may log in with a password, and only from the USB link.";
      };
      hashedPasswordFile = lib.mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/var/lib/aleph/root-password";
        description = ''
          A file on the board with the hash of that password, as `mkpasswd` prints it. Not a path of this
          configuration: that would be in the store, for all to read.
        '';
      };
    };
  };

  config = {
    assertions = [
      {
        assertion =
          cfg.authorizedKeys
          != []
          || cfg.consoleLogin
          || (onUsb.enable && onUsb.hashedPasswordFile != null)
          || lib.any hasKey users;
        message = ''
          nobody could log in to this system; set aleph.access.authorizedKeys to your SSH public keys (or, for a
          board on your desk, aleph.access.consoleLogin = true)'';
      }
      {
        assertion = onUsb.enable -> onUsb.hashedPasswordFile != null;
        message = "aleph.access.passwordOnUsb is on but has no password; set aleph.access.passwordOnUsb.hashedPasswordFile";
      }
    ];

    services.openssh = {
      enable = lib.mkDefault true;
      settings = {
        PasswordAuthentication = lib.mkDefault false;
        KbdInteractiveAuthentication = lib.mkDefault false;
        PermitRootLogin = lib.mkDefault "prohibit-password";
        # A session whose link was cut would keep the lock of the path that it copied, and the next copy would wait for it.
        ClientAliveInterval = lib.mkDefault 5;
        ClientAliveCountMax = lib.mkDefault 2;
      };
      # By the client's address: answers to these networks leave over the USB link whatever a packet claims. Last,
      # because what follows a Match belongs to it.
      extraConfig = lib.mkIf onUsb.enable (lib.mkAfter ''
        Match Address 10.224.0.0/24,fde1:2240:a1ef::/64 User root
          PasswordAuthentication yes
          PermitRootLogin yes
        Match all
      '');
    };

    users.users.root = {
      openssh.authorizedKeys.keys = cfg.authorizedKeys;
      hashedPasswordFile = lib.mkIf onUsb.enable onUsb.hashedPasswordFile;
    };

    services.getty.autologinUser = lib.mkIf cfg.consoleLogin "root";
  };
}
