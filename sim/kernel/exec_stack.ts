/**
 * The initial stack of a program (fs/binfmt_elf.c, create_elf_tables; psABI, "Process
 * Initialization"): strings at the top, then the auxiliary vector, the environment and argument
 * pointers, and argc at the stack pointer.
 */
import { setNumber64 } from "./abi/struct.ts";
import { E2BIG, ENOMEM } from "./errno.ts";
import type { Program, ProgramImage } from "./exec.ts";
import type { Kernel } from "./kernel.ts";
import { type Process, RLIMIT_STACK } from "./process.ts";
import { encodeName } from "./fs/file_name.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import { CLOCK_TICKS } from "./exit.ts";

/** Longest argument or environment string, its NUL included. */
export const MAX_ARG_STRLEN = 131072;
/** Bytes below the strings that are mapped at once; the rest of the stack grows at need. */
const INITIAL = 131072;

const AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7;
const AT_FLAGS = 8, AT_ENTRY = 9, AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14;
const AT_PLATFORM = 15, AT_HWCAP = 16, AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25;
const AT_HWCAP2 = 26, AT_EXECFN = 31, AT_MINSIGSTKSZ = 51;
const PHDR_SIZE = 56;

const PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4;
const MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_GROWSDOWN = 0x100;
const MAP_STACK = 0x20000;

/** Where the pieces of an initial stack lie. */
export interface InitialStack {
  readonly pointer: number;
  readonly arguments: { readonly start: number; readonly end: number };
  readonly environment: { readonly start: number; readonly end: number };
  /** The auxiliary vector's bytes, for /proc/self/auxv. */
  readonly auxv: Uint8Array;
}

const align16 = (address: number): number => address - address % 16;

/** NUL-ended strings one after the other, and where each begins. */
function strings(list: readonly string[]): { bytes: Uint8Array; starts: number[] } {
  const encoded = list.map(encodeName);
  const bytes = new Uint8Array(encoded.reduce((sum, text) => sum + text.length + 1, 0));
  const starts: number[] = [];
  let at = 0;
  for (const text of encoded) {
    starts.push(at);
    bytes.set(text, at);
    at += text.length + 1;
  }
  return { bytes, starts };
}

/** Map and fill the initial stack of `process`; -ENOMEM or -E2BIG if it cannot be. */
export function buildStack(
  kernel: Kernel,
  process: Process,
  space: AddressSpace,
  program: Program,
  image: ProgramImage,
): InitialStack | number {
  const top = space.layout.stackTop;
  const { argv, env, filename } = program;
  const { abi, random } = kernel;

  // Strings, from the top down: 8 zero bytes, the file name, environment, arguments.
  const { bytes: argBytes, starts: argStarts } = strings(argv);
  const { bytes: envBytes, starts: envStarts } = strings(env);
  const { bytes: nameBytes } = strings([filename]);
  const nameAt = top - 8 - nameBytes.length;
  const envAt = nameAt - envBytes.length;
  const argAt = envAt - argBytes.length;
  const { bytes: platform } = strings([kernel.platform]);
  const platformAt = align16(argAt) - platform.length;
  const seedAt = platformAt - 16;
  const seed = new Uint8Array(16);
  random.fill(seed);

  const ids = process.credentials;
  const auxv = new Map<number, number>();
  auxv.set(AT_MINSIGSTKSZ, abi.minimumSignalStack(kernel.cpu));
  auxv.set(AT_HWCAP, kernel.hwcap);
  auxv.set(AT_PAGESZ, space.granule.size);
  auxv.set(AT_CLKTCK, CLOCK_TICKS);
  auxv.set(AT_PHDR, image.phdr);
  auxv.set(AT_PHENT, PHDR_SIZE);
  auxv.set(AT_PHNUM, image.phnum);
  auxv.set(AT_BASE, image.base);
  auxv.set(AT_FLAGS, 0);
  auxv.set(AT_ENTRY, image.programEntry);
  auxv.set(AT_UID, ids.uid);
  auxv.set(AT_EUID, ids.euid);
  auxv.set(AT_GID, ids.gid);
  auxv.set(AT_EGID, ids.egid);
  auxv.set(AT_SECURE, 0);
  auxv.set(AT_RANDOM, seedAt);
  auxv.set(AT_HWCAP2, kernel.hwcap2);
  auxv.set(AT_EXECFN, nameAt);
  auxv.set(AT_PLATFORM, platformAt);
  for (const [type, value] of image.auxv ?? []) auxv.set(type, value);

  // Vectors.
  const words = 1 + argv.length + 1 + env.length + 1 + 2 * (auxv.size + 1);
  const pointer = align16(seedAt - 8 * words);
  const bytes = new Uint8Array(top - pointer);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const push = (value: number): void => {
    setNumber64(view, at, value);
    at += 8;
  };
  push(argv.length);
  for (const start of argStarts) push(argAt + start);
  push(0);
  for (const start of envStarts) push(envAt + start);
  push(0);
  const auxvAt = at;
  for (const [type, value] of auxv) {
    push(type);
    push(value);
  }
  push(AT_NULL);
  push(0);
  const auxvBytes = bytes.slice(auxvAt, at);
  bytes.set(seed, seedAt - pointer);
  bytes.set(platform, platformAt - pointer);
  bytes.set(argBytes, argAt - pointer);
  bytes.set(envBytes, envAt - pointer);
  bytes.set(nameBytes, nameAt - pointer);

  const bottom = space.granule.pageDown(pointer - INITIAL);
  if (top - bottom > Math.max(process.limits[RLIMIT_STACK].soft, 2 * INITIAL)) return -E2BIG;
  const mapped = space.mmap(
    bottom,
    top - bottom,
    PROT_READ | PROT_WRITE | (image.executableStack ? PROT_EXEC : 0),
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN | MAP_STACK,
    null,
    0,
  );
  if (mapped < 0) return mapped;
  if (space.copyOut(pointer, bytes) < 0) return -ENOMEM;
  space.stackStart = pointer;
  return {
    pointer,
    arguments: { start: argAt, end: envAt },
    environment: { start: envAt, end: nameAt },
    auxv: auxvBytes,
  };
}
