import {
  type BuilderPlace,
  ElfBuilder,
  ElfFile,
  type ElfMachine,
  SHT_INIT_ARRAY,
  STB_WEAK,
  STT_FUNC,
  STT_OBJECT,
} from "../../lib/elf/mod.ts";
import { STUB_SIZE, STUBS } from "./stub_code.ts";
import { formatInterface, type Interface, InterfaceError, parseInterface } from "./types.ts";

/** Section of an ELF object with what a runner runs. */
export const SECTION = ".runner";
/** First line of it, before the runner's name. */
const MAGIC = "runner ";
/** Symbol of the words that stubs and the runner read: where stubs go, then the imports in order. */
export const WORDS = "runner.words";
/** Symbol of the function that a program's start code calls. */
export const MAIN = "runner.main";
/** Symbol of the constructor. */
export const INITIALISE = "runner.initialise";
const WORD = 8;
/** R_X86_64_GLOB_DAT, R_AARCH64_GLOB_DAT. */
const GLOB_DAT: Record<ElfMachine, number> = { x86_64: 6, aarch64: 1025 };

/** Soname of the object that stands for a runner in a process. */
export function runnerLibrary(kind: string): string {
  return `runner-${kind}.so`;
}

/** Symbol of the runner's function that stubs go to. */
export function enterSymbol(kind: string): string {
  return `runner.${kind}.enter`;
}

/** What an object that a runner runs carries. */
export interface Carried {
  /** Name of the runner: `wasm`, `javascript`. */
  readonly kind: string;
  readonly interface: Interface;
  /** A WebAssembly module, or a script. */
  readonly payload: Uint8Array;
}

export interface WrapOptions extends Carried {
  readonly machine: ElfMachine;
  readonly soname?: string;
  /** Libraries that define its imports. */
  readonly needed?: readonly string[];
  readonly runpath?: string;
  /** The object has a constructor. */
  readonly initialise?: boolean;
  /** The object is a program, with or without a C library that its start code initialises. */
  readonly program?: "bare" | "libc";
  readonly interp?: string;
}

/**
 * Makes an ELF shared object, or a program, that carries what a runner runs: a function for each export, whose code
 * enters the runner; an undefined symbol for each import; and the need of the runner's own library, so that a
 * linker without it refuses the object.
 */
export function wrap(options: WrapOptions): Uint8Array {
  const { machine, kind, interface: { exports, imports }, program, initialise } = options;
  const builder = new ElfBuilder({
    machine,
    soname: options.soname,
    interp: options.interp,
    runpath: options.runpath,
    needed: [runnerLibrary(kind), ...options.needed ?? []],
  });
  const header = new TextEncoder().encode(
    `${MAGIC}${kind}\n${formatInterface(options.interface)}\n`,
  );
  const data = new Uint8Array(header.length + options.payload.length);
  data.set(header);
  data.set(options.payload, header.length);
  builder.section({ name: SECTION, data });

  const functions = [
    ...exports.keys(),
    ...initialise ? [INITIALISE] : [],
    ...program === undefined ? [] : [MAIN],
  ];
  if (functions.length > MOST) throw new TypeError(`more than ${MOST} exports`);
  const wanted = [enterSymbol(kind), ...imports.keys()];
  if (program === "libc" && !imports.has(LIBC_START)) wanted.push(LIBC_START);
  const slots = builder.section({
    name: ".got",
    access: "w",
    relro: true,
    data: new Uint8Array(WORD * wanted.length),
  });
  wanted.forEach((name, index) => {
    // Who links a program with the object has no runner's library: its symbol may be missing then.
    const symbol = builder.symbol(index === 0 ? { name, bind: STB_WEAK } : { name });
    builder.relocate({ section: slots, offset: WORD * index, type: GLOB_DAT[machine], symbol });
  });
  builder.symbol({ name: WORDS, section: slots, value: 0, size: slots.size, type: STT_OBJECT });

  const start = STUB_SIZE * functions.length;
  const text = builder.section({
    name: ".text",
    access: "x",
    align: 16,
    data: new Uint8Array(start + (program === undefined ? 0 : 4 * STUB_SIZE)),
  });
  functions.forEach((name, index) => {
    const value = STUB_SIZE * index;
    builder.symbol({ name, section: text, value, size: STUB_SIZE, type: STT_FUNC });
  });
  const place = (name: string): BuilderPlace => ({
    section: text,
    offset: STUB_SIZE * functions.indexOf(name),
  });
  if (initialise) {
    const array = builder.section({
      name: ".init_array",
      type: SHT_INIT_ARRAY,
      access: "w",
      relro: true,
      data: new Uint8Array(WORD),
    });
    builder.pointer({ section: array }, place(INITIALISE));
  }
  if (program !== undefined) builder.entry({ section: text, offset: start });
  builder.layout();
  const code = STUBS[machine];
  functions.forEach((_name, index) => {
    text.data.set(code.stub(slots.address - text.address - STUB_SIZE * index), STUB_SIZE * index);
  });
  if (program !== undefined) {
    const main = place(MAIN).offset! - start;
    const libc = slots.address + WORD * wanted.indexOf(LIBC_START) - text.address - start;
    text.data.set(program === "bare" ? code.bareStart(main) : code.libcStart(main, libc), start);
  }
  return builder.write();
}

/** Function of C libraries that initialises them and calls main. */
const LIBC_START = "__libc_start_main";
/** Stubs that reach the words on aarch64. */
const MOST = 2 ** 15;

/** What an object carries; undefined for an ordinary one. Throws an `InterfaceError` if it is spoilt. */
export function carriedBy(elf: ElfFile): Carried | undefined {
  const section = elf.section(SECTION);
  if (section === undefined) return undefined;
  const bytes = elf.sectionBytes(section);
  const end = headerEnd(bytes);
  const [first, ...lines] = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end))).split(
    "\n",
  );
  if (end < 0 || !first.startsWith(MAGIC)) throw new InterfaceError(1, `no header in ${SECTION}`);
  return {
    kind: first.slice(MAGIC.length),
    interface: parseInterface(lines.join("\n")),
    payload: bytes.subarray(end),
  };
}

/**
 * Whether an object is what `wrap` makes of what it carries: its machine code is the runner's own, and its symbols
 * are those of its interface.
 */
export function isAsWrapped(elf: ElfFile, carried: Carried): boolean {
  const { dynamic, machine, interp } = elf;
  const has = (name: string) => elf.lookup(name) !== undefined;
  const made = ElfFile.parse(
    wrap({
      ...carried,
      machine,
      soname: dynamic?.soname,
      needed: dynamic?.needed.slice(1),
      runpath: dynamic?.runpath,
      initialise: has(INITIALISE),
      program: has(MAIN) ? interp === undefined ? "bare" : "libc" : undefined,
      interp,
    }),
    elf.name,
  );
  return sameBytes(imageOf(elf), imageOf(made));
}

/** What is loaded of a file, without what says where its section headers are. */
function imageOf(elf: ElfFile): Uint8Array {
  const image = new Uint8Array(Math.max(...elf.loadSegments.map((s) => s.offset + s.filesz)));
  for (const segment of elf.loadSegments) image.set(elf.segmentBytes(segment), segment.offset);
  return image.fill(0, E_SHOFF, E_SHOFF + WORD).fill(0, E_SHENTSIZE, E_SHENTSIZE + 6);
}

/** Offsets of e_shoff, and of e_shentsize with what follows it, in an ELF header. */
const E_SHOFF = 40, E_SHENTSIZE = 58;

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Offset behind the empty line that ends the header; -1 if there is none. */
function headerEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
  }
  return -1;
}
