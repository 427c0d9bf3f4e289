# The Linux builder in OrbStack on a Mac. `nixos-rebuild switch --impure --flake .#orbstack` in the machine makes it one,
# and `cargo xtask setup builder orbstack` runs that; docs/builders.md has both sides.
{
  config,
  lib,
  modulesPath,
  ...
}: let
  buildDirectory = "/var/cache/nix-build";
  hostSystem = config.nixpkgs.hostPlatform.system;
  # OrbStack's own: the user of the Mac, its network, its certificates. Without it the user would be gone after the
  # switch. A pure evaluation, as that of the checks, does not see it.
  orbstack = /etc/nixos/orbstack.nix;
in {
  imports =
    ["${modulesPath}/virtualisation/lxc-container.nix"]
    ++ lib.optional (builtins.pathExists orbstack) orbstack;

  networking.hostName = lib.mkDefault "nixos";

  nix = {
    settings = {
      experimental-features = ["nix-command" "flakes"];
      # The Mac's daemon logs in as its user, who is in wheel, and must be believed about inputs that have no signature.
      trusted-users = ["root" "@wheel"];
      # OrbStack emulates the other architecture for all of its machines: no binfmt of our own, a container may not
      # register any.
      extra-platforms = lib.filter (system: system != hostSystem) ["aarch64-linux" "x86_64-linux"];
      # The default is in memory, and large builds (Qt) fill it up.
      build-dir = buildDirectory;
      extra-substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"];
      extra-trusted-public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="];
      builders-use-substitutes = true;
      # In the middle of a build there is no time to wait for the weekly collection.
      min-free = 10 * 1024 * 1024 * 1024;
      max-free = 50 * 1024 * 1024 * 1024;
    };
    gc = {
      automatic = true;
      dates = "weekly";
      options = "--delete-older-than 14d";
    };
  };

  # Not for everybody to write to: newer Nix refuses such a directory, and only the daemon creates anything here.
  systemd.tmpfiles.rules = ["d ${buildDirectory} 0755 root root -"];

  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "prohibit-password";
    };
  };

  system.stateVersion = lib.mkDefault "25.05";
}
