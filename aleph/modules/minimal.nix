# A smaller system: what a flight computer does not use.
{lib, ...}: {
  boot = {
    initrd.systemd = {
      enable = lib.mkDefault true;
      # The board has no TPM.
      tpm2.enable = lib.mkDefault false;
    };
    enableContainers = lib.mkDefault false;
  };
  programs = {
    less.lessopen = lib.mkDefault null;
    command-not-found.enable = lib.mkDefault false;
  };
  documentation = {
    doc.enable = lib.mkDefault false;
    info.enable = lib.mkDefault false;
  };
}
