import { ElfError } from "../../lib/elf/mod.ts";
import {
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  weak,
} from "../../lib/linker/mod.ts";
import { executable } from "../ifed/code_ranges.ts";
import { checkProof } from "./check.ts";
import { claimsOf } from "./claims.ts";
import { reader } from "./instructions.ts";
import { proofOf } from "./proof.ts";

export { withProof } from "./prove.ts";

/** Options of `proofs`: who may make system calls, and what becomes of others. */
export interface ProofsOptions {
  /** Sonames of the objects that may make system calls; default the C library and its loader. */
  readonly syscalls?: readonly string[];
  /** What becomes of files without a proof: refused (the default) or loaded. */
  readonly unproved?: "refuse" | "allow";
}

/** The C library and its loader, of glibc and musl. */
const C_LIBRARIES = [
  ...["libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so"],
  ...["libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"],
];

/**
 * Proof-carrying code: loads files only that prove that no system call instruction is reachable outside of the
 * functions they list (`isthmus prove`), and lets only some objects list functions at all. The proof is checked
 * against the code in post-collect, before anything is mapped; see `checkProof` for what is checked.
 */
export function proofs(
  { syscalls = C_LIBRARIES, unproved = "refuse" }: ProofsOptions = {},
): Module {
  const pass = weak((link, object) => {
    if (object.file !== undefined) verify(link, object, syscalls, unproved);
  });
  return { name: "proofs", register: () => ({ "post-collect": pass }) };
}

function verify(
  { counters }: LinkContext,
  object: LinkObject,
  allowed: readonly string[],
  unproved: "refuse" | "allow",
): void {
  const refuse = (message: string): never => {
    const occasion = "error while loading shared libraries";
    throw LinkError.of({ occasion, object: object.path, message, status: 127 });
  };
  try {
    const { elf } = object;
    const proof = proofOf(elf, executable(elf).length);
    if (proof === undefined) {
      if (unproved === "refuse") refuse("it has no proof of where its system calls are");
      return counters.count("proofs.missing");
    }
    const wrong = checkProof(elf, proof, claimsOf(elf), reader(elf.machine));
    if (wrong !== undefined) refuse(`its proof is wrong: ${wrong}`);
    if (proof.functions.length > 0 && !allowed.includes(object.soname)) {
      refuse(`it makes system calls, in ${proof.functions.length} functions, and may not`);
    }
    counters.count("proofs.verified");
    counters.count("proofs.functions", proof.functions.length);
  } catch (error) {
    if (error instanceof ElfError) refuse(`its proof is wrong: ${error.field}: ${error.problem}`);
    throw error;
  }
}
