/** Proofs of where system calls are: against objdump, against mutation, and in the machine. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Arch,
  ElfError,
  ElfFile,
  type GuestFile,
  linux,
  measure,
  type Module,
  proofs,
  type ProofsOptions,
  withProof,
} from "../../../mod.ts";
import { checkProof } from "../../../modules/proofs/check.ts";
import { claimsOf } from "../../../modules/proofs/claims.ts";
import { reader } from "../../../modules/proofs/instructions.ts";
import { decodeProof, encodeProof } from "../../../modules/proofs/proof.ts";
import { executable } from "../../../modules/ifed/code_ranges.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { available, output } from "../../lib/elf/programs.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";

const many = expected.find(({ program }) => program === "many/many")!;

/** What is wrong with the encoded proof of an object. */
function verdict(elf: ElfFile, bytes: Uint8Array): string | undefined {
  try {
    const proof = decodeProof(bytes, executable(elf).length, elf.name);
    return checkProof(elf, proof, claimsOf(elf), reader(elf.machine));
  } catch (error) {
    if (error instanceof ElfError) return error.message;
    throw error;
  }
}

function run(root: Map<string, Uint8Array>, options: ProofsOptions) {
  return measure(["/many/many", ...many.args], { root, modules: [...linux(), proofs(options)] });
}

/** Proves every ELF file as it is opened. */
const proving: Module = {
  name: "proving",
  register: () => ({}),
  open: (from: GuestFile) => {
    if (from.bytes[0] !== 0x7f) return undefined;
    const { bytes } = withProof(from.bytes, from.path);
    const { path, realPath, identity, executable } = from;
    return { path, realPath, identity, executable, bytes, made: { from, fill: () => {} } };
  },
};

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`programs run with their proofs, and not without or against the policy, on ${arch}`, async () => {
    const plain = await manyGuest(arch);
    const root = new Map<string, Uint8Array>();
    const callers: string[] = [];
    for (const [path, bytes] of plain) {
      const proved = withProof(bytes, path);
      root.set(path, proved.bytes);
      if (proved.proof.functions.length > 0 && path !== "/many/many_fixed") callers.push(path);
    }
    const syscalls = callers.map((path) => path.split("/").at(-1)!);
    assertEquals(syscalls, ["libtiny.so"]);
    const { exit, stdout, counters } = await run(root, { syscalls });
    assertEquals([exit, stdout], [many.exit, many.stdout]);
    assertEquals(counters["linker.proofs.verified"], root.size - 1);
    const refused = async (changed: Map<string, Uint8Array>, options: ProofsOptions) => {
      const { exit, stdout, stderr, counters } = await run(changed, options);
      assertEquals([exit, stdout], [127, ""]);
      assert(counters.instructions < 20);
      assertEquals(stderr.trim().split("\n").length, 1);
      return stderr;
    };
    assertStringIncludes(
      await refused(root, {}),
      "/many/lib/libtiny.so: it makes system calls, in ",
    );
    const library = "/many/lib/libm09.so";
    const bare = new Map(root).set(library, plain.get(library)!);
    assertStringIncludes(await refused(bare, { syscalls }), "it has no proof of where");
    const allowed = await run(bare, { syscalls, unproved: "allow" });
    assertEquals(allowed.exit, many.exit);
    // A system call in a function that is not listed: its first instruction becomes one.
    const bytes = root.get(library)!.slice();
    const elf = ElfFile.parse(bytes, library);
    const at = elf.offsetOf(claimsOf(elf).functions[3].start)!;
    bytes.set(arch === "x86_64" ? [0x0f, 0x05] : [0x01, 0x00, 0x00, 0xd4], at);
    const said = await refused(new Map(root).set(library, bytes), { syscalls });
    assertStringIncludes(said, `${library}: its proof is wrong: `);
  });

  Deno.test(`wrong proofs made by mutation are rejected, on ${arch}`, async () => {
    const files = await manyGuest(arch);
    let tried = 0;
    for (const path of ["/many/lib/libtiny.so", "/many/many", "/many/lib/libm22.so"]) {
      const elf = ElfFile.parse(files.get(path)!, path);
      const { proof } = withProof(files.get(path)!, path);
      const bytes = encodeProof(proof);
      assertEquals(verdict(elf, bytes), undefined);
      const rejected = (mutant: Uint8Array, what: string) => {
        tried++;
        assert(verdict(elf, mutant) !== undefined, `${path}: ${what}`);
      };
      for (let i = 0; i < bytes.length; i++) {
        for (let bit = 0; bit < 8; bit++) {
          const mutant = bytes.slice();
          mutant[i] ^= 1 << bit;
          rejected(mutant, `bit ${bit} of byte ${i}`);
        }
        rejected(Uint8Array.from([...bytes.subarray(0, i), ...bytes.subarray(i + 1)]), `no ${i}`);
        const doubled = [...bytes.subarray(0, i + 1), ...bytes.subarray(i)];
        rejected(Uint8Array.from(doubled), `twice ${i}`);
      }
      // Of the proof as it is meant: functions more and less, runs cut, joined and called something else.
      const { segments, functions } = proof;
      const all = claimsOf(elf).functions;
      for (let i = 0; i < functions.length; i++) {
        const less = functions.filter((_, j) => j !== i);
        rejected(encodeProof({ segments, functions: less }), `function ${i} left out`);
      }
      for (const more of all) {
        if (functions.some(({ start }) => start === more.start)) continue;
        const longer = [...functions, more].sort((a, b) => a.start - b.start);
        rejected(encodeProof({ segments, functions: longer }), `function ${more.start} listed`);
      }
      segments.forEach((runs, s) =>
        runs.forEach(({ length, isData }, r) => {
          const replace = (...by: (typeof runs)[number][]) =>
            encodeProof({
              segments: segments.with(s, [...runs.slice(0, r), ...by, ...runs.slice(r + 1)]),
              functions,
            });
          rejected(replace({ length, isData: !isData }), `run ${r} turned`);
          for (const cut of [1, 2, 4, 8, 16]) {
            if (cut >= length) continue;
            rejected(replace({ length: cut, isData }, { length: length - cut, isData }), "cut");
            const other = { length: length - cut, isData: !isData };
            rejected(replace({ length: cut, isData }, other), `run ${r} turned after ${cut}`);
          }
        })
      );
    }
    assert(tried > 300, `${tried}`);
  });

  const root = debianRoot("bookworm", arch);
  const objdump = `${arch}-linux-gnu-objdump`;
  const needs = root === undefined ? "the root of bookworm" : available(objdump) ? "" : objdump;
  Deno.test({
    name: `glibc's listed functions are those where objdump sees system calls, on ${arch}` +
      (needs === "" ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== "",
    fn: () => {
      const path = `${root}/usr/lib/${arch}-linux-gnu/libc.so.6`;
      const { proof: { functions } } = withProof(Deno.readFileSync(path), path);
      const text = output(objdump, ["-d", "--no-show-raw-insn", path]);
      const pattern = /^ +([0-9a-f]+):\s+(syscall|sysenter|int +|svc)/gm;
      const places = [...text.matchAll(pattern)].map(([, hex]) => parseInt(hex, 16));
      assert(places.length > 300);
      const has = new Set<number>();
      for (const place of places) {
        const listed = functions.find(({ start, end }) => place >= start && place < end);
        assert(listed !== undefined, `0x${place.toString(16)}`);
        has.add(listed!.start);
      }
      assertEquals(has.size, functions.length);
    },
  });

  Deno.test({
    name: `Debian's lua runs, all objects proved, system calls in glibc alone, on ${arch}` +
      (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
    ignore: root === undefined,
    fn: async () => {
      const { exit, stdout, stderr, counters } = await runIn(
        root!,
        ["/usr/bin/lua5.4", "-e", "print(6 * 7)"],
        { modules: [...linux(), proofs(), proving] },
      );
      assertEquals([exit, stdout, stderr], [0, "42\n", ""]);
      assert(counters["linker.proofs.verified"] >= 5);
      assert(counters["linker.proofs.functions"] > 300);
    },
  });
}
