# The packages of ./pkgs under `aleph`, one file each, found by directory. They see those under `elodin`, too.
final: _: let
  files = import ../nix/files.nix;
in {
  aleph = final.lib.makeScope final.elodin.newScope (self: files.callDirectory ./pkgs (file: self.callPackage file {}));
}
