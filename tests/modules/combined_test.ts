/** Transformations together: each does its work on one program in one run. */
import { assert, assertEquals } from "@std/assert";
import {
  type Arch,
  compartments,
  ElfFile,
  generateKeys,
  ifed,
  linux,
  measure,
  packedRelocations,
  packElf,
  packRelocations,
  proofs,
  signatures,
  signElf,
  unpack,
  withProof,
} from "../../mod.ts";
import { analyse, seccomp, withSummary } from "../../modules/seccomp/mod.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";
import expected from "../guests/expected.json" with { type: "json" };

const many = expected.find(({ program }) => program === "many/many")!;

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  Deno.test(`iFed, seccomp, packed relocations, signatures, proofs, compression, compartments: one run, ${arch}`, async () => {
    const { privatePem, publicPem } = await generateKeys();
    const root = await manyGuest(arch);
    for (const [path, plain] of root) {
      const packed = packRelocations(plain, path, { format: "relr+aps2" }).bytes;
      const summary = await analyse(ElfFile.parse(packed, path));
      const proved = withProof(withSummary(packed, summary, path), path).bytes;
      root.set(path, await signElf(packElf(proved, path), path, privatePem));
    }
    const { exit, stdout, stderr, counters } = await measure(["/many/many", ...many.args], {
      root,
      modules: [
        ...linux(),
        unpack(),
        signatures({ keys: [publicPem] }),
        proofs({ syscalls: ["libtiny.so"] }),
        packedRelocations(),
        ifed.concatenate(),
        ifed.eliminateBranches(),
        seccomp({ analyse: false }),
        compartments({ assign: { box: ["libm00.so", "libm01.so", "libm09.so"] } }),
      ],
    });
    assertEquals([exit, stdout, stderr], [many.exit, many.stdout, ""]);
    const files = root.size - 1;
    assertEquals(counters["linker.signatures.verified"], files);
    assertEquals(counters["linker.proofs.verified"], files);
    assertEquals(counters["linker.unpack.files"], files);
    for (const name of ["packed.relocations", "ifed.huge.pages", "ifed.branches.patched"]) {
      assert(counters[`linker.${name}`] > 0, name);
    }
    assert(counters["linker.seccomp.allowed"] > 0 && counters["linker.seccomp.allowed"] < 20);
    assert(counters["linker.seccomp.filter.length"] > 0);
    assert(counters["linker.compartments.gates"] > 3 && counters["keys.changes"] > 10);
  });
}
