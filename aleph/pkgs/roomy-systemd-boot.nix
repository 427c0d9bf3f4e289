# systemd-boot that allocates four times the size of a device tree, and says so in the tree's header: firmware adds
# nodes only where it finds room. systemd is built once for it; what depends on systemd does not see it.
{
  runCommand,
  systemd,
}: let
  patched = systemd.overrideAttrs (old: {
    # Two lines; if systemd changes them, this fails and does not silently do nothing. Byte 4 of the header has the
    # size, big-endian.
    postPatch =
      (old.postPatch or "")
      + ''
        substituteInPlace "$(find src/boot -name devicetree.c)" \
          --replace-fail 'err = devicetree_allocate(state, len);' \
            'err = devicetree_allocate(state, len * 4);' \
          --replace-fail 'err = devicetree_fixup(state, len);' \
            '((uint32_t *) PHYSICAL_ADDRESS_TO_POINTER(state->addr))[1] = __builtin_bswap32((uint32_t) devicetree_allocated(state)); err = devicetree_fixup(state, len);'
      '';
  });
in
  runCommand "roomy-systemd-boot-${systemd.version}" {
    meta = {
      description = "systemd-boot that leaves room behind the device tree";
      inherit (systemd.meta) license platforms;
    };
  } ''
    mkdir $out
    cp ${patched}/lib/systemd/boot/efi/systemd-boot*.efi $out/
  ''
