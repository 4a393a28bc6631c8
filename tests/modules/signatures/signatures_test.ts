/** Signed programs: what openssl says of the signatures, and what the machine refuses. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ElfFile,
  generateKeys,
  ifed,
  linux,
  measure,
  type Module,
  packedRelocations,
  packElf,
  packRelocations,
  signatures,
  signElf,
  unpack,
} from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { available, output, temporary } from "../../lib/elf/programs.ts";

const many = expected.find(({ program }) => program === "many/many")!;
const argv = ["/many/many", ...many.args];
/** The machine is in January 2024. */
const LATER = Date.UTC(2025, 0) / 1000;
const EARLIER = Date.UTC(2023, 0) / 1000;

async function signedMany(arch: Arch, key: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of await manyGuest(arch)) {
    files.set(path, await signElf(bytes, path, key, LATER));
  }
  return files;
}

function run(root: Map<string, Uint8Array>, ...modules: Module[]) {
  return measure(argv, { root, modules: [...linux(), ...modules] });
}

const openssl = available("openssl") || output("openssl", ["version"]).startsWith("OpenSSL");
Deno.test({
  name: `openssl verifies what is signed, and makes the keys${
    openssl ? "" : " (skipped: needs openssl)"
  }`,
  ignore: !openssl,
  fn: async () => {
    const folder = temporary();
    output("openssl", ["genpkey", "-algorithm", "ed25519", "-out", `${folder}/openssl.key`]);
    output("openssl", [
      ...["pkey", "-in", `${folder}/openssl.key`, "-pubout"],
      ...["-out", `${folder}/openssl.pub`],
    ]);
    const [path, bytes] = [...await manyGuest("x86_64")][1];
    const key = await Deno.readTextFile(`${folder}/openssl.key`);
    const elf = ElfFile.parse(await signElf(bytes, path, key, LATER), path);
    const content = elf.sectionBytes(elf.section(".isthmus.signature")!);
    // The digest, made here from the description of the format.
    const parts: number[] = [];
    const { phoff, phnum } = elf.header;
    parts.push(...elf.bytes.subarray(phoff, phoff + 56 * phnum));
    for (const { offset, filesz } of elf.segments) {
      const size = new Uint8Array(8);
      new DataView(size.buffer).setUint32(0, filesz, true);
      const segment = elf.bytes.slice(offset, offset + filesz);
      if (offset === 0) {
        segment.fill(0, 40, 48);
        segment.fill(0, 58, 64);
      }
      parts.push(...size);
      for (const byte of segment) parts.push(byte);
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", Uint8Array.from(parts)));
    const text = new TextEncoder().encode("isthmus signature 1\n");
    await Deno.writeFile(
      `${folder}/message`,
      Uint8Array.from([...text, ...content.subarray(8, 16), ...digest]),
    );
    await Deno.writeFile(`${folder}/signature`, content.subarray(48));
    const said = output("openssl", [
      ...["pkeyutl", "-verify", "-pubin", "-inkey", `${folder}/openssl.pub`, "-rawin"],
      ...["-in", `${folder}/message`, "-sigfile", `${folder}/signature`],
    ]);
    assertStringIncludes(said, "Signature Verified Successfully");
    const pub = await Deno.readTextFile(`${folder}/openssl.pub`);
    const root = await signedMany("x86_64", key);
    const { exit, stdout } = await run(root, signatures({ keys: [pub] }));
    assertEquals([exit, stdout], [many.exit, many.stdout]);
  },
});

Deno.test("signing twice replaces the signature, and a loader sees no difference", async () => {
  const { privatePem } = await generateKeys();
  const [path, bytes] = [...await manyGuest("aarch64")][0];
  const once = await signElf(bytes, path, privatePem, LATER);
  const twice = await signElf(once, path, privatePem, EARLIER);
  assertEquals(twice.length, once.length);
  const [before, after] = [ElfFile.parse(bytes, path), ElfFile.parse(twice, path)];
  assertEquals(after.segments, before.segments);
  assertEquals(after.sections.length, before.sections.length + 1);
  assertEquals(
    after.segments.slice(1).map((segment) => after.segmentBytes(segment).subarray(64)),
    before.segments.slice(1).map((segment) => before.segmentBytes(segment).subarray(64)),
  );
});

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`unsigned, tampered, expired and foreign files are refused on ${arch}`, async () => {
    const mine = await generateKeys();
    const other = await generateKeys();
    const root = await signedMany(arch, mine.privatePem);
    const keys = [other.publicPem, mine.publicPem];
    const library = "/many/lib/libm09.so";
    const good = root.get(library)!;
    const plain = (await manyGuest(arch)).get(library)!;
    const refused = async (bytes: Uint8Array, trusted = keys): Promise<string> => {
      const changed = new Map(root).set(library, bytes);
      const { exit, stdout, stderr, counters } = await run(changed, signatures({ keys: trusted }));
      assertEquals([exit, stdout], [127, ""]);
      assert(counters.instructions < 20);
      const lines = stderr.trim().split("\n");
      assertEquals(lines.length, 1);
      return lines[0].replace("/many/many: error while loading shared libraries: ", "");
    };
    const { exit, counters } = await run(root, signatures({ keys }));
    assertEquals(exit, many.exit);
    assertEquals(counters["linker.signatures.verified"], root.size - 1);

    assertEquals(await refused(plain), `${library}: it is not signed`);
    const text = ElfFile.parse(good, library).section(".text")!;
    for (const at of [text.offset + 5, 24, 64 + 8]) {
      const tampered = good.slice();
      tampered[at] ^= 1;
      assertStringIncludes(await refused(tampered), "libm09.so");
    }
    const tampered = good.slice();
    tampered[text.offset] ^= 1;
    assertEquals(await refused(tampered), `${library}: its signature is of other contents`);
    const old = await signElf(plain, library, mine.privatePem, EARLIER);
    assertEquals(
      await refused(old),
      `${library}: its signature expired on 2023-01-01T00:00:00.000Z`,
    );
    const longer = old.slice();
    const { offset } = ElfFile.parse(old, library).section(".isthmus.signature")!;
    new DataView(longer.buffer).setUint32(offset + 8, LATER, true);
    assertEquals(await refused(longer), `${library}: its signature is of other contents`);
    const foreign = await signElf(plain, library, (await generateKeys()).privatePem);
    assertStringIncludes(await refused(foreign), "which is not trusted");
    const cut = good.slice();
    cut[offset] ^= 1;
    assertStringIncludes(await refused(cut), "it is no signature of this format");
    const allowed = new Map(root).set(library, plain);
    const modules = [signatures({ keys, unsigned: "allow" })];
    assertEquals((await run(allowed, ...modules)).exit, many.exit);
  });

  Deno.test(`iFed, packed relocations, compression and signatures in one run on ${arch}`, async () => {
    const { privatePem, publicPem } = await generateKeys();
    const root = await manyGuest(arch);
    for (const [path, bytes] of root) {
      const packed = packElf(packRelocations(bytes, path, { format: "relr+aps2" }).bytes, path);
      root.set(path, await signElf(packed, path, privatePem, LATER));
    }
    const { exit, stdout, counters } = await run(
      root,
      unpack(),
      signatures({ keys: [publicPem] }),
      ifed.concatenate(),
      ifed.eliminateBranches(),
      packedRelocations(),
    );
    assertEquals([exit, stdout], [many.exit, many.stdout]);
    assertEquals(counters["linker.signatures.verified"], root.size - 1);
    for (const name of ["packed.relocations", "unpack.blocks", "ifed.branches.patched"]) {
      assert(counters[`linker.${name}`] > 0, name);
    }
    const library = "/many/lib/libm03.so";
    const tampered = root.get(library)!.slice();
    const { segments } = ElfFile.parse(tampered, library);
    tampered[segments[0].offset + 100] ^= 1;
    const changed = new Map(root).set(library, tampered);
    const all = [signatures({ keys: [publicPem] }), unpack()];
    const { exit: code, stdout: nothing } = await run(changed, ...all);
    assertEquals([code, nothing], [127, ""]);
  });
}
