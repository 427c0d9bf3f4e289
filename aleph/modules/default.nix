# What every system of ours has. The flake adds the overlays.
{
  config,
  lib,
  modulesPath,
  ...
}: {
  imports = [
    "${modulesPath}/profiles/minimal.nix"
    ./access.nix
  ];

  i18n.supportedLocales = lib.mkDefault ["${config.i18n.defaultLocale}/UTF-8"];

  # People log in with a key and have no password to be asked for.
  security.sudo.wheelNeedsPassword = lib.mkDefault false;

  system.stateVersion = lib.mkDefault "25.05";
}
