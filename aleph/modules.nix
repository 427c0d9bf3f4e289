# The modules by name, one for each file in ./modules, and the groups in which they are used.
{
  files,
  jetpack,
  lib,
  overlays,
}: let
  # These two need what only the flake has. With a key, so that a module may be imported by two others.
  withFlake = {
    default = {
      key = "elodin-aleph/default";
      imports = [./modules/default.nix];
      config.nixpkgs.overlays = [overlays.default];
    };
    jetpack = {
      key = "elodin-aleph/jetpack";
      imports = [jetpack.nixosModules.default];
      # After jetpack's own, which it puts first.
      config.nixpkgs.overlays = [(import ./jetpack-sources.nix)];
    };
    hardware = {
      key = "elodin-aleph/hardware";
      imports = [withFlake.jetpack ./modules/hardware.nix];
    };
  };
  all = files.callDirectory ./modules (file: file) // withFlake;

  names = {
    base = ["default" "jetpack" "hardware" "minimal" "fs" "usb-eth" "wifi" "access" "aleph-base" "aleph-setup"];
    flightSoftware = [
      "elodin-db"
      "aleph-serial-bridge"
      "tegrastats-bridge"
      "mekf"
      "msp-osd"
      "udp-component-broadcast"
      "udp-component-receive"
      "elodinsink"
    ];
    development = ["aleph-dev"];
  };
  groups = lib.mapAttrs (_: map (name: all.${name})) names;
in {
  inherit all;
  inherit (groups) base;
  full = groups.base ++ groups.flightSoftware ++ groups.development;
}
