# The gate before a launch: it depends on every other package, so it shows what a failure takes with it.
{
  hello-aleph,
  mkDerivation,
  orbit,
  report,
}:
mkDerivation {
  pname = "flight-readiness";
  version = "1.0.0";
  suffix = ".txt";
  inherit orbit report;
  helloAleph = hello-aleph;
  meta.description = "The list of what is ready to fly";
  script = ''
    phase checkPhase
    {
      for part in "$orbit" "$report" "$helloAleph/bin/hello-aleph"; do
        [ -s "$part" ]
        printf 'ready: %s\n' "$part"
      done
      "$helloAleph/bin/hello-aleph" 48
    } > "$out"
    log "go for launch"
  '';
}
