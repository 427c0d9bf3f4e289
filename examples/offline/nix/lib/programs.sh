# Programs for machines, made without a compiler: a header and a handful of instructions each, as
# recipes of ./bytes.sh. The instruction stands beside its bytes.

# elf MACHINE CODE: a static Linux program, 64 bit; 62 is x86_64, 183 aarch64.
elf() (
  length=$((120 + $(size "$2")))
  hex '7f 45 4c 46 02 01 01'
  nul 9
  le16 2 # an executable
  le16 "$1"
  le32 1
  le64 $((0x400000 + 120)) # where it starts: after both headers
  le64 64                  # the program header
  le64 0
  le32 0
  le16 64
  le16 56
  le16 1
  nul 6
  le32 1 # load the whole file, readable and executable
  le32 5
  le64 0
  le64 $((0x400000))
  le64 $((0x400000))
  le64 "$length"
  le64 "$length"
  le64 4096
  printf %s "$2"
)

# print_amd64 TEXT, print_arm64 TEXT: a program that writes a text to stdout.
print_amd64() {
  elf 62 "$(
    hex 'b8 01 00 00 00'       # mov eax, 1 (write)
    hex 'bf 01 00 00 00'       # mov edi, 1
    hex '48 8d 35 10 00 00 00' # lea rsi, [rip + 16]
    hex ba                     # mov edx, length
    le32 "${#1}"
    hex '0f 05'                # syscall
    hex 'b8 3c 00 00 00'       # mov eax, 60 (exit)
    hex '31 ff'                # xor edi, edi
    hex '0f 05'                # syscall
    octets "$1"
  )"
}

print_arm64() {
  elf 183 "$(
    hex '20 00 80 d2'                 # mov x0, 1
    hex 'e1 00 00 10'                 # adr x1, 28
    le32 $((0xd2800002 | ${#1} << 5)) # mov x2, length
    hex '08 08 80 d2'                 # mov x8, 64 (write)
    hex '01 00 00 d4'                 # svc 0
    hex '00 00 80 d2'                 # mov x0, 0
    hex 'a8 0b 80 d2'                 # mov x8, 93 (exit)
    hex '01 00 00 d4'                 # svc 0
    octets "$1"
  )"
}

# efi_arm64 TEXT: a UEFI application that shows a text for five seconds and powers off.
efi_arm64() (
  code=$(
    hex 'f3 03 01 aa' # mov x19, x1 (the system table)
    hex '60 22 40 f9' # ldr x0, [x19, 64] (console)
    hex '08 04 40 f9' # ldr x8, [x0, 8] (OutputString)
    hex 'c1 01 00 10' # adr x1, 56
    hex '00 01 3f d6' # blr x8
    hex '68 32 40 f9' # ldr x8, [x19, 96] (boot services)
    hex '08 7d 40 f9' # ldr x8, [x8, 248] (Stall)
    hex '80 09 a0 d2' # mov x0, 4980736 (µs)
    hex '00 01 3f d6' # blr x8
    hex '68 2e 40 f9' # ldr x8, [x19, 88] (runtime services)
    hex '08 35 40 f9' # ldr x8, [x8, 104] (ResetSystem)
    hex '40 00 80 d2' # mov x0, 2 (shut down)
    hex '01 00 80 d2' # mov x1, 0
    hex '02 00 80 d2' # mov x2, 0
    hex '03 00 80 d2' # mov x3, 0
    hex '00 01 3f d6' # blr x8
    hex '00 00 00 14' # b . (should the firmware not power off)
    # The text, in UTF-16.
    IFS='\'
    text=$(octets "$1")
    for octet in ${text#?}; do printf '\\%s\\000' "$octet"; done
    nul 2
  )
  octets MZ
  nul 58
  le32 64
  octets PE
  nul 2
  le16 $((0xaa64)) # aarch64
  le16 1           # sections
  nul 12
  le16 240
  le16 $((0x22))  # executable; may be loaded anywhere, its addresses are relative
  le16 $((0x20b)) # PE32+
  nul 2
  le32 512 # code
  nul 8
  le32 4096 # entry
  le32 4096 # code
  nul 8
  le32 4096 # alignment in memory
  le32 512  # alignment in the file
  nul 16
  le32 8192 # size in memory
  le32 512  # headers
  nul 4
  le16 10 # a UEFI application
  nul 38
  le32 16 # data directories, all empty
  nul 128
  field 8 .text
  le32 512
  le32 4096
  le32 512
  le32 512
  nul 12
  le32 $((0x60000020)) # code, readable and executable
  nul 144
  printf %s "$code"
  nul $((512 - $(size "$code")))
)
