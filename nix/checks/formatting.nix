# Every Nix file is as Alejandra writes it.
{
  alejandra,
  runCommand,
  self,
}:
runCommand "check-formatting" {
  nativeBuildInputs = [alejandra];
} ''
  alejandra --check ${self} && touch $out
''
