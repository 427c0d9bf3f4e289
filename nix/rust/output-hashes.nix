# The trees of the git dependencies, by their source in Cargo.lock (the whole of it: crane finds nothing by less).
#
# Two are missing, `bevy_editor_cam` and `big_space`: their trees could not be had where these were computed. Only
# elodin-cli reaches them, and for it they are fetched while evaluating, pinned by their commits. To add one, build
# elodin-cli with `lib.fakeHash` for it and copy what Nix got.
{
  "git+https://github.com/elodin-sys/bbq2.git?rev=b6e36706a5549d770ebf2dc122b39cef1368b06d#b6e36706a5549d770ebf2dc122b39cef1368b06d" = "sha256-pEybnuOCR/B4qFdyCi2OPhi8SlwGDsovLmIwo+dDgiI=";
  "git+https://github.com/elodin-sys/nodit.git?rev=cd284cd0f16d475786dae8629cebda4e14177ee1#cd284cd0f16d475786dae8629cebda4e14177ee1" = "sha256-wkwKbsAxtEYbNF/Lx3NZywQzgxAiDhrdpgqFYxLxE/o=";
}
