# Nix on the board, and what the tools expect to find there.
{pkgs, ...}: {
  nix.settings = {
    experimental-features = ["nix-command" "flakes"];
    # The nixpkgs cache is there without a word from us.
    extra-substituters = ["https://elodin-nix-cache.s3.us-west-2.amazonaws.com"];
    extra-trusted-public-keys = ["elodin-cache-1:vvbmIQvTOjcBjIs8Ri7xlT2I3XAmeJyF5mNlWB+fIwM="];
    # Who may become root without a password may as well deploy.
    trusted-users = ["@wheel"];
  };

  # A simulation's database has many files open at once.
  security.pam.loginLimits = [
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
  users.groups.podman = {};

  environment.etc."elodin-version".text = pkgs.elodin.elodinVersion;
}
