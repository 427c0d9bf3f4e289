# The editor's view cube, the one file of the source that a package needs and that is stored with Git LFS. An LFS
# pointer names the SHA-256 of the file, so its hash is the source's own word.
{fetchurl}:
fetchurl {
  url = "https://media.githubusercontent.com/media/elodin-sys/elodin/9ada5b72b4f1cc4cee2fdf23a01525cb1b4c97df/libs/elodin-editor/src/assets/axes-cube.glb";
  hash = "sha256-6XHflhM88t9XoYz7exSycvI/KSH1mVwBHYJCFn6lufs=";
}
