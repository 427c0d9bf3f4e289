# Nix on the board, and what the tools expect to find there.
{
  config,
  lib,
  pkgs,
  ...
}: {
  options.aleph.deploy.trustedKeys = lib.mkOption {
    type = lib.types.listOf lib.types.singleLineStr;
    default = [];
    example = ["team-1:base64="];
    description = ''
      Public keys of those who deploy to this board: what they sign is taken. `nix key convert-secret-to-public` prints
      them from what `sign-key` in xtask.toml names.
    '';
  };

  config.nix.settings = {
    experimental-features = ["nix-command" "flakes"];
    # The nixpkgs cache is there without a word from us.
    extra-substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"];
    extra-trusted-public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="] ++ config.aleph.deploy.trustedKeys;
    # Who may become root without a password may as well deploy.
    trusted-users = ["@wheel"];
  };

  # A simulation's database has many files open at once.
  config.security.pam.loginLimits = [
    {
      domain = "*";
      type = "soft";
      item = "nofile";
      value = "65536";
    }
    {
      domain = "*";
      type = "hard";
      item = "nofile";
      value = "524288";
    }
  ];

  # The set-up wizard puts new users into it, whether or not podman is there.
  config.users.groups.podman = {};

  config.environment.etc."elodin-version".text = pkgs.elodin.elodinVersion;
}
