# The documentation site as files, made with Zola from the source's `docs/public`.
{
  elodinSource,
  elodinVersion,
  stdenvNoCC,
  zola,
}:
stdenvNoCC.mkDerivation {
  pname = "elodin-docs";
  version = elodinVersion;
  # Only this directory: an edit to the code must not build the site again.
  src = builtins.path {
    name = "elodin-docs-source";
    path = "${elodinSource}/docs/public";
  };
  nativeBuildInputs = [zola];
  buildPhase = ''
    runHook preBuild
    zola build --output-dir public
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    cp -r public $out
    runHook postInstall
  '';
  meta.description = "Documentation of the Elodin platform, as a web site";
}
