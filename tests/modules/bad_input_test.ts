/** What modules are given wrongly: one error that says what, and nothing has started. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  abiTypes,
  compartments,
  generateKeys,
  ifed,
  LinkError,
  linux,
  measure,
  type Module,
  packElf,
  proofs,
  seccomp,
  signatures,
  signElf,
  unpack,
} from "../../mod.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";

type Files = Map<string, Uint8Array>;
const library = "/many/lib/libm00.so";
const [mine, other] = [await generateKeys(), await generateKeys()];

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length >> 1] ^= 1;
  return copy;
}

async function signed(files: Files): Promise<Files> {
  const entries = [...files].map(async ([path, bytes]) =>
    [path, await signElf(bytes, path, mine.privatePem)] as const
  );
  return new Map(await Promise.all(entries));
}

/** Modules, what becomes of the guest's files, and what the error says. */
const cases: Record<string, [Module[], (files: Files) => Files | Promise<Files>, RegExp]> = {
  "a key that is none": [
    [signatures({ keys: [mine.publicPem, "-----BEGIN PUBLIC KEY-----\nAAAA"] })],
    (files) => files,
    /key 2 is no Ed25519 public key/,
  ],
  "another key": [
    [signatures({ keys: [other.publicPem] })],
    signed,
    /\/many\/many: it is signed with the key \w{16}, which is not trusted/,
  ],
  "a library that was changed after it was signed": [
    [signatures({ keys: [mine.publicPem] })],
    async (files) => {
      const all = await signed(files);
      return all.set(library, flipped(all.get(library)!));
    },
    /libm00\.so: its signature is of other contents/,
  ],
  "a corrupted packed library": [
    [unpack()],
    (files) => new Map(files).set(library, flipped(packElf(files.get(library)!, library))),
    /libm00\.so: packed segment \d: it is corrupted/,
  ],
  "no folder of debug files": [
    [abiTypes({ debug: "/nowhere" })],
    (files) => files,
    /there is no folder \/nowhere/,
  ],
  "a compartment with a library that is not there": [
    [compartments({ assign: { box: ["libnope.so"] } })],
    (files) => files,
    /box has libnope\.so, which the program does not load/,
  ],
  "a library to open that is not there": [
    [seccomp({ open: ["/nope.so"] })],
    (files) => files,
    /open=\/nope\.so: no such file/,
  ],
  "a system call of no name": [
    [seccomp({ allow: ["nosuch"] })],
    (files) => files,
    /allow=nosuch: x86_64 has no such system call/,
  ],
  "a file without a proof": [
    [proofs({ syscalls: ["libtiny.so"] })],
    (files) => files,
    /\/many\/many: it has no proof/,
  ],
  "two places for one object": [
    [ifed.align(), ifed.concatenate()],
    (files) => files,
    /ifed\.concatenate and ifed\.align conflict: each would be the main pass of load/,
  ],
};

for (const [name, [modules, prepare, problem]] of Object.entries(cases)) {
  Deno.test(`${name} is one error, and nothing has started`, async () => {
    const root = await prepare(await manyGuest("x86_64"));
    const run = measure(["/many/many", "3"], { root, modules: [...linux(), ...modules] });
    const outcome = await run.catch((error) => {
      if (!(error instanceof LinkError)) throw error;
      return { stdout: "", stderr: error.message, exit: 1, counters: {} };
    });
    assertEquals(outcome.stdout, "");
    assertEquals(outcome.exit === 0, false);
    assertEquals(outcome.stderr.trim().split("\n").length, 1);
    assertMatch(outcome.stderr, problem);
  });
}
