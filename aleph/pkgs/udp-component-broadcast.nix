# Two Python programs, `udp-broadcast` and `udp-receive`.
{
  elodinSource,
  elodinVersion,
  impeller-py,
  lib,
  makeWrapper,
  python312,
  stdenvNoCC,
}: let
  python = python312.withPackages (packages: [
    impeller-py
    packages.netifaces
    packages.numpy
    packages.protobuf
  ]);
in
  stdenvNoCC.mkDerivation {
    pname = "udp-component-broadcast";
    version = elodinVersion;
    src = builtins.path {
      name = "udp-component-broadcast-source";
      path = "${elodinSource}/fsw/udp_component_broadcast";
      filter = path: _: lib.hasSuffix ".py" path;
    };
    nativeBuildInputs = [makeWrapper];
    installPhase = ''
      runHook preInstall
      mkdir -p $out/lib/udp-component-broadcast
      cp *.py $out/lib/udp-component-broadcast/
      # Python finds the protocol's module beside the program.
      makeWrapper ${lib.getExe python} $out/bin/udp-broadcast \
        --add-flags $out/lib/udp-component-broadcast/broadcast_component.py
      makeWrapper ${lib.getExe python} $out/bin/udp-receive \
        --add-flags $out/lib/udp-component-broadcast/receive_broadcast.py
      runHook postInstall
    '';
    meta = {
      description = "Components of Elodin-DB over UDP, from one board to others";
      homepage = "https://github.com/elodin-sys/elodin";
      license = lib.licenses.mit;
      mainProgram = "udp-broadcast";
      platforms = lib.platforms.linux;
    };
  }
