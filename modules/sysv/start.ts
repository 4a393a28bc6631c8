import { PHDR_SIZE, PT_PHDR } from "../../lib/elf/mod.ts";
import {
  AT_BASE,
  AT_ENTRY,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { finalisers, initialisers, writeList } from "./initialisers.ts";
import { runtimeOf } from "./runtime.ts";
import { stateOf } from "./state.ts";
import { createThreadBlock } from "./thread_block.ts";

/** Post-relocate of the program: the first thread's TLS, and what the start code works through. */
export function prepare(link: LinkContext, program: LinkObject): void {
  const state = stateOf(link);
  state.threadPointer = createThreadBlock(link);
  const runtime = runtimeOf(link);
  const { objects } = link;
  link.writeU64(
    runtime.address(link, "entry"),
    link.base(program) + program.elf.header.entry,
  );
  const first = writeList(link, initialisers(link, objects), "initialisers");
  link.writeU64(runtime.address(link, "initialisers"), first);
  const last = writeList(link, finalisers(link, objects), "finalisers");
  link.writeU64(runtime.address(link, "finalisers"), last);
}

/** Start: enters the program through the start code, with an auxiliary vector that describes it. */
export function start(link: LinkContext, program: LinkObject): void {
  link.begin({
    entry: runtimeOf(link).address(link, "start"),
    threadPointer: stateOf(link).threadPointer,
    auxv: programAuxv(link, program),
  });
}

/** Start of a program that needs no loader: at its own entry point. */
export function startAlone(link: LinkContext, program: LinkObject): void {
  link.begin({ auxv: programAuxv(link, program) });
}

/** What the auxiliary vector says about a program that has no interpreter in memory. */
export function programAuxv(link: LinkContext, program: LinkObject): [number, number][] {
  const { header, segments } = program.elf;
  const base = link.base(program);
  const own = segments.find((segment) => segment.type === PT_PHDR);
  const holder = program.elf.loadSegments.find((s) =>
    s.offset <= header.phoff && header.phoff + header.phnum * PHDR_SIZE <= s.offset + s.filesz
  );
  const vaddr = own?.vaddr ?? (holder && holder.vaddr + header.phoff - holder.offset);
  return [
    [AT_PHDR, vaddr === undefined ? 0 : base + vaddr],
    [AT_PHENT, PHDR_SIZE],
    [AT_PHNUM, vaddr === undefined ? 0 : header.phnum],
    [AT_BASE, 0],
    [AT_ENTRY, base + header.entry],
  ];
}
