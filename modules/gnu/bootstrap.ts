import {
  DT_DEBUG,
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_GNU_HASH,
  DT_HASH,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_STRSZ,
  DT_STRTAB,
  DT_SYMENT,
  DT_SYMTAB,
} from "../../lib/elf/mod.ts";
import { type LinkContext, LinkError, type LinkObject, pageUp } from "../../lib/linker/mod.ts";
import { startEarly } from "../sysv/early_start.ts";
import { stateOf } from "../sysv/state.ts";
import { writeStandIn } from "../sysv/stand_in.ts";
import { findStackFlags, markedStackFlags } from "./exec_stack.ts";
import { gnuStateOf } from "./state.ts";

/** Bytes of static TLS kept for objects opened later, as glibc keeps them. */
const SURPLUS = 1664;
/** A word in the surplus by which we see that the guest's loader put the blocks where we have them. */
const MARK = 0x1357_9bdf_2468;

/** What of the program's dynamic section the guest's loader is shown: nothing for it to do. */
const SHOWN_TAGS = new Set([
  DT_HASH,
  DT_STRTAB,
  DT_SYMTAB,
  DT_STRSZ,
  DT_SYMENT,
  DT_INIT,
  DT_FINI,
  DT_INIT_ARRAY,
  DT_FINI_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_FINI_ARRAYSZ,
  DT_DEBUG,
  DT_GNU_HASH,
]);

/** A file that the guest's loader would preload from. */
const PRELOAD_FILE = "/etc/ld.so.preload\0";

/**
 * Lets the guest's loader initialise itself (post-load): over a program that needs no libraries and no
 * relocation, whose thread-local storage is that of all objects together. It hears nothing of
 * LD_PRELOAD and the like, which are ours to obey.
 */
export async function initialiseLoader(link: LinkContext, program: LinkObject): Promise<void> {
  const state = gnuStateOf(link);
  const loader = state.loader!;
  const { tls } = stateOf(link);
  tls.seal(pageUp(tls.size + SURPLUS, tls.align));
  const entries = program.elf.dynamic!.entries.filter(({ tag }) => SHOWN_TAGS.has(tag))
    .map(({ tag, value }) => [tag, value] as const);
  const standIn = writeStandIn(link, program, entries, {
    alignment: "vaddr",
    stackFlags: markedStackFlags(link),
  });
  state.standIn = standIn;
  const mark = link.arch === "x86_64" ? -tls.capacity : tls.capacity - 8;
  link.writeU64(standIn.imageThreadPointer + mark, MARK);
  const shown = hidePreloadFile(link, loader);
  const landing = await startEarly(link, loader, standIn);
  state.landing = landing;
  findStackFlags(link, loader);
  if (shown !== undefined) link.write(shown, new TextEncoder().encode(PRELOAD_FILE));
  if (link.readI64(landing.threadPointer + mark) !== MARK) {
    throw new LinkError(`${loader.path} put thread-local storage at another place than planned`);
  }
  for (const thread of [landing.threadPointer, standIn.imageThreadPointer]) {
    link.writeU64(thread + mark, 0);
  }
}

/** What the first byte of a name is while it is hidden. */
const HIDDEN = 0x01;

/**
 * Spoils the name of the preload file in the loader's memory if there is such a file. Returns where it
 * stands.
 */
function hidePreloadFile(link: LinkContext, loader: LinkObject): number | undefined {
  if (!link.files.exists(PRELOAD_FILE.slice(0, -1))) return undefined;
  const name = new TextEncoder().encode(PRELOAD_FILE);
  for (const segment of loader.elf.loadSegments) {
    const at = indexOfBytes(loader.elf.segmentBytes(segment), name);
    if (at < 0) continue;
    const address = link.base(loader) + segment.vaddr + at;
    link.write(address, new Uint8Array(1).fill(HIDDEN));
    return address;
  }
  throw new LinkError(`${loader.path} does not name ${PRELOAD_FILE.slice(0, -1)}`);
}

function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0]); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
