# The page: what the telemetry and the orbit say, to be opened in a browser.
{
  mkDerivation,
  orbit,
  telemetry,
}:
mkDerivation {
  pname = "report";
  version = "1.0.0";
  suffix = ".html";
  inherit orbit telemetry;
  meta.description = "The pass report: a page with the orbit and the battery drawn";
  script = ''
    # Both print the coordinates of a curve, for SVG.
    orbitPoints() {
      { read -r head; while IFS=, read -r minute x y altitude; do
        printf '%d,%d ' $((200 + x / 40)) $((200 - y / 40))
      done; } < "$orbit"
    }
    batteryPoints() {
      { read -r head; while IFS=, read -r time battery rest; do
        printf '%d,%d ' $((time / 9)) $(((8300 - battery) / 8))
      done; } < "$telemetry"
    }

    phase buildPhase
    log "drawing the orbit of $orbit"
    log "drawing the battery of $telemetry"
    {
      printf '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Pass report</title>\n'
      printf '<style>body{font:16px system-ui;margin:2rem auto;max-width:50rem;background:#0b1020;color:#dde}'
      printf 'svg{margin-right:2rem}polyline{fill:none;stroke:#6cf;stroke-width:2}</style>\n'
      printf '<h1>Pass report</h1>\n'
      printf '<svg width="400" height="400"><title>Orbit</title>'
      printf '<circle cx="200" cy="200" r="159" fill="#246"/><polyline points="%s"/></svg>\n' "$(orbitPoints)"
      printf '<svg width="400" height="120"><title>Battery</title>'
      printf '<polyline points="%s"/></svg>\n' "$(batteryPoints)"
      printf '<p>Left: one revolution at 550 km. Right: the battery over an hour, sun and shadow.</p>\n'
      printf '<p>Made from <code>%s</code> and <code>%s</code>.</p>\n</html>\n' "$orbit" "$telemetry"
    } > "$out"
  '';
}
