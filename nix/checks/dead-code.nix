# No binding and no argument that nothing uses.
{
  deadnix,
  runCommand,
  self,
}:
runCommand "check-dead-code" {
  nativeBuildInputs = [deadnix];
} ''
  deadnix --fail ${self} && touch $out
''
