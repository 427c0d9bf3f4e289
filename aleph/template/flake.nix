{
  description = "My Aleph";

  inputs = {
    aleph.url = "github:elodin-sys/elodin-nix?dir=aleph";
    # What Aleph was tested with. Do not take another one without a reason: its kernel is built for this.
    nixpkgs.follows = "aleph/nixpkgs";
  };

  # Elodin's binary cache: without it, the first build takes hours.
  nixConfig = {
    extra-substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"];
    extra-trusted-public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="];
  };

  outputs = {
    self,
    aleph,
    nixpkgs,
  }: let
    # What is on your board. Leave out what you do not fly.
    board = {pkgs, ...}: {
      imports = with aleph.nixosModules; [
        # The board itself
        default
        hardware
        minimal
        fs
        usb-eth
        wifi
        aleph-base
        aleph-setup

        # Flight software
        elodin-db
        aleph-serial-bridge
        tegrastats-bridge
        mekf
        msp-osd
        udp-component-broadcast
        udp-component-receive
        elodinsink

        # Compilers, CUDA and containers on the board; large
        # aleph-dev
      ];

      # Who may log in: put your SSH public key here, then turn the other line off.
      # aleph.access.authorizedKeys = ["ssh-ed25519 AAAA... you@laptop"];
      aleph.access.consoleLogin = true;

      # An on-screen display for your video transmitter:
      # services.msp-osd.enable = true;

      # Anything else that NixOS has:
      environment.systemPackages = [pkgs.htop];
    };

    installer = aleph.lib.installerSystem board;
  in {
    nixosConfigurations = {
      default = nixpkgs.lib.nixosSystem {
        modules = [{nixpkgs.hostPlatform = "aarch64-linux";} board];
      };
      inherit installer;
    };

    packages.aarch64-linux = {
      # `cargo xtask deploy` puts this on a running board.
      default = self.nixosConfigurations.default.config.system.build.toplevel;
      toplevel = self.nixosConfigurations.default.config.system.build.toplevel;
      # `cargo xtask flash` writes this to a USB stick, for a new one.
      sdimage = installer.config.system.build.sdImage;
    };
  };
}
