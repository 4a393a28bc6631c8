/** Packed files: what is in them, and that nothing is lost. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ElfError, ElfFile, packElf } from "../../../mod.ts";
import { CODECS, isPacked, unpackElf } from "../../../modules/unpack/mod.ts";
import { frameDescriptions } from "../../../lib/elf/mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import { debianRoot } from "../gnu/gnu_run.ts";
import { available } from "../../lib/elf/programs.ts";

/** Reads a packed file by its description alone, with Python's own zlib. */
const PYTHON_READER = `
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
phoff, = struct.unpack_from("<Q", data, 32)
count, = struct.unpack_from("<H", data, 56)
out = None
for i in range(count):
    kind, flags, at, vaddr, paddr, filesz, memsz, align = struct.unpack_from("<IIQQQQQQ", data, phoff + 56 * i)
    if kind != 0x69737470: continue
    magic, version, codec, offset, length, size, block, n, crc, _ = struct.unpack_from("<8sIIQQQIIII", data, at)
    assert magic == b"ISTHPACK" and version == 1 and codec == 1
    assert zlib.crc32(data[at + 56:at + filesz]) == crc
    out = out or bytearray(size)
    place = at + 56 + 8 * n
    for b in range(n):
        word, sum = struct.unpack_from("<II", data, at + 56 + 8 * b)
        raw = data[place:place + (word & 0x7fffffff)]
        place += len(raw)
        if not word >> 31: raw = zlib.decompressobj(-15).decompress(raw)
        assert zlib.crc32(raw) == sum
        out[offset:offset + len(raw)] = raw
        offset += len(raw)
sys.stdout.buffer.write(out)
`;

Deno.test("every codec and block size gives back the file, byte for byte", async () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    const [path, bytes] = [...await manyGuest(arch)].find(([path]) => path.endsWith("libm01.so"))!;
    for (const { name: codec } of CODECS) {
      for (const blockSize of [4096, 16384, 2 ** 20]) {
        const packed = packElf(bytes, path, { codec, blockSize });
        assert(packed.length < bytes.length);
        assert(isPacked(packed) && !isPacked(bytes));
        assertEquals(unpackElf(packed, path), bytes);
      }
    }
  }
});

const python = available("python3");
Deno.test({
  name: `a program that shares no code reads a packed file${
    python ? "" : " (skipped: needs python3)"
  }`,
  ignore: !python,
  fn: async () => {
    const [path, bytes] = [...await manyGuest("aarch64")][0];
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeFile(file, packElf(bytes, path, { codec: "deflate", blockSize: 4096 }));
      const { code, stdout, stderr } = await new Deno.Command("python3", {
        args: ["-c", PYTHON_READER, file],
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      assertEquals(stdout, bytes);
    } finally {
      await Deno.remove(file);
    }
  },
});

for (const arch of ["x86_64", "aarch64"] as const) {
  const root = debianRoot("bookworm", arch);
  Deno.test({
    name: `what is read of a file made as it is needed is what the file has, on ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: () => {
      const folder = `${root}/usr/lib/${arch}-linux-gnu`;
      for (const name of ["libz.so.1", "libm.so.6", "libc.so.6"]) {
        const bytes = Deno.readFileSync(`${folder}/${name}`);
        const made = new Uint8Array(bytes.length);
        const fill = (offset: number, length: number) => {
          assert(offset >= 0 && offset + length <= bytes.length);
          made.set(bytes.subarray(offset, offset + length), offset);
        };
        const facts: ((elf: ElfFile) => unknown)[] = [
          (elf) => elf.segments,
          (elf) => elf.sections,
          (elf) => elf.notes,
          (elf) => [elf.buildId, elf.interp, elf.tls, elf.properties],
          (elf) => [elf.dynamic?.needed, elf.soname],
          (elf) => [...elf.relocations()].slice(0, 5000),
          (elf) => Array.from({ length: elf.symbols!.length }, (_, i) => elf.symbols!.at(i)),
          (elf) => ["qsort", "inflate", "sin", "none"].map((name) => elf.lookup(name)),
          (elf) => frameDescriptions(elf).slice(0, 5000),
        ];
        // Each fact of a fresh file, so that none profits from what another one had made.
        for (const fact of facts) {
          made.fill(0);
          const found = fact(ElfFile.parse(made, name, fill));
          assertEquals(found, fact(ElfFile.parse(bytes, name)));
        }
      }
    },
  });
}

Deno.test("a corrupted packed file is refused wherever the fault is", async () => {
  const [path, bytes] = [...await manyGuest("x86_64")][0];
  const packed = packElf(bytes, path, { blockSize: 4096 });
  const { segments } = ElfFile.parse(packed, path);
  const pieces = segments.filter(({ type }) => type === 0x69737470);
  let refused = 0;
  for (const { offset, filesz } of pieces) {
    for (let at = 0; at < filesz; at += at < 100 ? 1 : 977) {
      const copy = packed.slice();
      copy[offset + at] ^= 0x10;
      assertThrows(() => unpackElf(copy, path), ElfError, "packed");
      refused++;
    }
  }
  assert(refused > 300);
  for (const length of [1000, packed.length >> 1, packed.length - 1]) {
    assertThrows(() => unpackElf(packed.slice(0, length), path), ElfError);
  }
});
