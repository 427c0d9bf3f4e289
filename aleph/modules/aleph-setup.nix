# The set-up wizard: WiFi, a user, their SSH keys. It starts by itself in root's first interactive shell.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.aleph-setup;
in {
  imports = [./fs.nix];

  options.services.aleph-setup = {
    enable = lib.mkOption {
      type = lib.types.bool;
      # What is set up on an installer is gone with the next stick.
      default = !config.aleph.sd.enable;
      defaultText = lib.literalExpression "!config.aleph.sd.enable";
      example = false;
      description = "Whether the set-up wizard is there, and starts at root's first login.";
    };
    package = lib.mkPackageOption pkgs ["aleph" "aleph-setup"] {};
  };

  config = lib.mkIf cfg.enable {
    environment = {
      systemPackages = [cfg.package];
      # Once: the file says that it was done, or that somebody did not want it.
      interactiveShellInit = ''
        if [ "$(id -u)" -eq 0 ] && [ ! -e /root/.aleph-setup ]; then
          touch /root/.aleph-setup
          ${lib.getExe cfg.package} || true
        fi
      '';
    };
  };
}
