import { ElfBuilder, ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import type { Architecture } from "../../lib/linker/mod.ts";
import { runnerLibrary } from "./wrap.ts";

/**
 * Guest code of a runner: `syscall`, a function of seven arguments, a system call's number and its arguments,
 * that answers what the kernel does. Its assembly source is in its test.
 */
export const SYSTEM_CALL: Record<Architecture, string> = {
  x86_64: "4889f84889f74889d64889ca4d89c24d89c84c8b4c24080f05c3",
  aarch64: "e80300aae00301aae10302aae20303aae30304aae40305aae50306aa010000d4c0035fd6",
};

export const SYSCALL_SYMBOL = "runner.syscall";
/** Symbol of the word that threads wait at. */
export const WAIT_SYMBOL = "runner.wait";

/** The object that stands for a runner in a process. */
export function runnerObject(kind: string, machine: Architecture, pageSize: number): ElfFile {
  const name = runnerLibrary(kind);
  const builder = new ElfBuilder({ machine, pageSize, soname: name });
  const data = Uint8Array.fromHex(SYSTEM_CALL[machine]);
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  builder.symbol({ name: SYSCALL_SYMBOL, section, value: 0, size: data.length, type: STT_FUNC });
  const words = builder.section({ name: ".data", access: "w", data: new Uint8Array(8) });
  builder.symbol({ name: WAIT_SYMBOL, section: words, value: 0, size: 8 });
  return ElfFile.parse(builder.build(), name);
}
