# The disk image: an MBR with one EFI system partition, to be flashed and booted. A UEFI machine
# (or QEMU's) starts EFI/BOOT/BOOTAA64.EFI, which says so and powers off.
{
  lib,
  mkDirectory,
  orbit,
}:
mkDirectory {
  pname = "aleph-offline-image";
  version = "1.0.0";
  directory = "sd-image";
  inherit orbit;
  meta.description = "A disk image of 4 MiB that boots on UEFI and says so";
  script = ''
    . ${lib}/bytes.sh
    . ${lib}/tar.sh
    . ${lib}/fat.sh
    . ${lib}/programs.sh

    phase unpackPhase
    newline='
    '
    table=
    while IFS= read -r line; do table=$table$line$newline; done < "$orbit"
    readme="Aleph, offline example.''${newline}ORBIT.CSV has one revolution of the satellite.$newline"

    phase buildPhase
    # 4 MiB in sectors: the table, a gap up to 1 MiB as partitioning tools leave it, the partition.
    start=2048 sectors=6144 tableSectors=24
    loader=$(efi_arm64 "Aleph offline: the image boots.")
    fat_start
    fat_allocate 512
    fat_allocate 512
    fat_allocate "$(size "$loader")" && loaderAt=$fat_first
    fat_allocate "''${#readme}" && readmeAt=$fat_first
    fat_allocate "''${#table}" && tableAt=$fat_first
    log "$((fat_next - 2)) of $((sectors - 81)) clusters used"

    image() {
      # The master boot record: no code, a signature, one active partition.
      put "$(
        nul 440
        octets ELOD
        nul 2
        hex '80 20 21 00 ef 82 02 00'
        le32 "$start"
        le32 "$sectors"
        nul 48
        hex '55 aa'
      )"
      zeros $((start * 512 - 512))

      put "$(fat_boot_sector "$start" "$sectors" "$tableSectors" 'ALEPH      ')"
      for copy in 1 2; do
        put "$fat_table"
        zeros $((tableSectors * 512 - $(size "$fat_table")))
      done

      # The root directory has 32 sectors; what is left of the data area follows the files.
      put "$(
        pad512 "$(
          fat_entry 'ALEPH      ' 08 0 0
          fat_entry 'EFI        ' 10 2 0
          fat_entry 'README  TXT' 20 "$readmeAt" "''${#readme}"
          fat_entry 'ORBIT   CSV' 20 "$tableAt" "''${#table}"
        )"
        nul $((31 * 512))
        pad512 "$(
          fat_entry '.          ' 10 2 0
          fat_entry '..         ' 10 0 0
          fat_entry 'BOOT       ' 10 3 0
        )"
        pad512 "$(
          fat_entry '.          ' 10 3 0
          fat_entry '..         ' 10 2 0
          fat_entry 'BOOTAA64EFI' 20 "$loaderAt" "$(size "$loader")"
        )"
        pad512 "$loader"
        pad512 "$(octets "$readme")"
        pad512 "$(octets "$table")"
      )"
      zeros $(((sectors - 1 - 2 * tableSectors - 32 - (fat_next - 2)) * 512))
    }

    phase installPhase
    {
      put "$(
        tar_directory sd-image
        tar_header 0 644 $(((start + sectors) * 512)) sd-image/aleph-offline.img
      )"
      image
      put "$(tar_end)"
    } > "$out"
  '';
}
