# The disk image has the master boot record that a firmware looks for.
{
  lib,
  mkDerivation,
  sdimage,
}:
mkDerivation {
  pname = "check-sdimage";
  version = "1.0.0";
  inherit sdimage;
  script = ''
    . ${lib}/bytes.sh

    phase checkPhase
    # A shell's `read` leaves out the zeros, so compare what is between them.
    IFS= read -r found < "$sdimage/sd-image/aleph-offline.img"
    record=$(put "$(
      octets ELOD          # the disk's signature
      hex '80 20 21 ef'    # active, from head 32 sector 33, an EFI system partition
      hex '82 02 08 18'    # to head 130 sector 2; 0x0800 sectors in, 0x1800 long
      hex '55 aa'          # the record's signature
      hex 'eb 3c 90'       # here the file system begins
    )")
    case $found in
      "$record"MSWIN4.1*) log "one EFI system partition of 3 MiB" ;;
      *) log "the boot record is wrong"; exit 1 ;;
    esac
    printf 'ok\n' > "$out"
  '';
}
