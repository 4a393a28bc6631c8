import { type ElfFile, ET_EXEC } from "../../lib/elf/mod.ts";
import {
  exclusive,
  imageExtent,
  type LinkContext,
  type LinkObject,
  type Module,
  pageUp,
  parseFile,
  PROT_EXEC,
  PROT_READ,
  segmentPages,
  type StateKey,
  weak,
} from "../../lib/linker/mod.ts";
import { placeTogether } from "../placement.ts";
import { load } from "../sysv/load.ts";
import { Copier, type MovedFunction, stays, type Write } from "./copy.ts";
import { buildHotObject, type Chosen, HOT_TEXT, type HotObject } from "./hot_object.ts";
import {
  calledThroughSlots,
  clustered,
  type Hot,
  hotFunctions,
  keyOf,
  type Profile,
} from "./profile.ts";
import { surveyOf } from "./survey.ts";

export type { MovedFunction } from "./copy.ts";
export type { Profile } from "./profile.ts";

/** Options of `reorder`: what moves, by which profile, and where to. */
export interface ReorderOptions {
  /** What ran: `attribution` of a result, or what `isthmus run --profile FILE.json` wrote. */
  readonly profile: Profile;
  /** Move the hottest functions that took this share of all instructions, 0 to 1; default 1, all that ran. */
  readonly cover?: number;
  /**
   * What functions do where they were, for who calls them through pointers: they jump to their copies (the default),
   * or stay as they are; then what is called through pointers alone is not moved.
   */
  readonly entries?: "jump" | "stay";
  /** Pages of the area with the copies; default "4K". */
  readonly pages?: "4K" | "2M";
  /** Told what was moved, before the program starts. */
  readonly report?: (moved: readonly MovedFunction[]) => void;
}

interface State {
  hot: HotObject | undefined;
  /** Where the heap can begin, if this module placed the objects. */
  end: number | undefined;
}

const HUGE_PAGE = 2 ** 21;
const LOADER = /\/ld-[^/]*$/;

/**
 * Packs the functions that ran, by a profile of an earlier run, into one area: they are copied there, and called
 * there. The originals stay, so that whatever else leads to or into them still works.
 * See docs/modules/reorder.md.
 */
export function reorder(options: ReorderOptions): Module {
  const { profile, cover = 1, entries = "jump", pages = "4K" } = options;
  const functions = hotFunctions(profile, cover);
  const throughSlots = entries === "stay" ? calledThroughSlots(profile) : undefined;
  const key: StateKey<State> = {
    create: () => ({ hot: undefined, end: undefined }),
    fork: (state) => ({ ...state }),
  };

  const collect = weak((link, program) => {
    const chosen = choose(link, program, functions, throughSlots);
    if (chosen.length === 0) return;
    const hot = buildHotObject(link.arch, clustered(chosen, profile), {
      pageSize: link.pageSize,
    });
    link.state(key).hot = hot;
    link.need(hot.elf);
  });

  /** In reach of each other, unless another module has placed them. */
  const place = weak((link) => {
    const state = link.state(key);
    if (state.hot === undefined || link.batch.some((object) => link.isPlaced(object))) return;
    const { elf } = state.hot;
    const align = (object: LinkObject) =>
      pages === "2M" && object.elf === elf ? HUGE_PAGE : link.pageSize;
    // Last, so that nothing else begins on its pages.
    const others = link.batch.filter((object) => object.elf !== elf);
    const hot = link.batch.find((object) => object.elf === elf)!;
    state.end = placeTogether(link, [...others, hot], { align });
  });

  const copy = weak((link, object) => {
    const { hot } = link.state(key);
    if (hot === undefined || object !== link.batch.at(-1)) return;
    const own = link.batch.find(({ elf }) => elf === hot.elf)!;
    const copier = Copier.of(link, own, hot);
    const write: Write = (at, bytes) => link.write(at, bytes);
    copier.writeCopies(link, write);
    copier.writeFramePointers(link, write);
    copier.writeSlots(write);
    for (const one of copier.copies) {
      const leads = entries === "jump" && copier.writeEntry(link, one, write);
      if (!leads) link.counters.count("reorder.entries.left");
    }
    copier.count(link, "reorder");
    options.report?.(copier.moved);
  });

  const start = weak((link, program) => {
    const { end } = link.state(key);
    const isFixed = program.elf.header.type === ET_EXEC;
    if (end !== undefined && !isFixed) link.begin({ heap: end });
  });

  return {
    name: "reorder",
    register: (object, pipeline) => {
      if (object.batch > 0) return {};
      // Who else decides where objects lie must come before.
      const isPlaced = pipeline.main("load") !== "sysv";
      const isHuge = pages === "2M" && object.elf.soname === HOT_TEXT;
      const loading = exclusive(isHuge ? loadHuge : load);
      const passes = { "post-relocate": copy, ...!isPlaced && { "load": loading } };
      return object.isProgram ? { ...passes, collect, "post-collect": place, start } : passes;
    },
  };
}

/** On huge pages all of the object has the same rights. */
function loadHuge(link: LinkContext, object: LinkObject): void {
  const { start, size } = imageExtent(object.elf, link.pageSize)!;
  const base = link.base(object);
  const rights = PROT_READ | PROT_EXEC;
  link.map(base + start, pageUp(size, HUGE_PAGE), rights, { huge: "2M", name: "hot text" });
  for (const { segment } of segmentPages(object.elf, link.pageSize)) {
    link.write(base + segment.vaddr, object.elf.segmentBytes(segment));
  }
}

/** The functions of a program and its libraries that can be copied, the hottest first. */
function choose(
  link: LinkContext,
  program: LinkObject,
  functions: readonly Hot[],
  throughSlots: ReadonlySet<string> | undefined,
): Chosen[] {
  const files = new Map<string, ElfFile | undefined>();
  for (const { object } of functions) {
    if (files.has(object)) continue;
    const file = LOADER.test(object) ? undefined : link.files.open(object);
    files.set(object, file && parseFile(file));
  }
  const needed = neededBy(program.elf, [...files.values()]);
  const chosen: Chosen[] = [];
  for (const { object, name, instructions } of functions) {
    const elf = files.get(object);
    if (elf === undefined || !needed.has(elf)) continue;
    const survey = surveyOf(elf);
    const addresses = survey.addressesOf(name);
    if (addresses.length === 0) stays(link, "the profile is of another file");
    for (const start of addresses) {
      if (chosen.some((one) => one.survey === survey && one.start === start)) continue;
      link.counters.count("reorder.functions.hot");
      const isMoved = throughSlots === undefined || survey.isCalled(start) ||
        throughSlots.has(keyOf(object, name));
      const movable = isMoved ? survey.movable(start) : "it is called through pointers alone";
      if (typeof movable === "string") stays(link, movable);
      else chosen.push({ ...movable, object, name, instructions, survey, copy: 0, tables: [] });
    }
  }
  return chosen;
}

/** Those of some objects that a program needs, itself among them. */
function neededBy(program: ElfFile, all: readonly (ElfFile | undefined)[]): Set<ElfFile> {
  const needed = new Set([program]);
  for (const elf of needed) {
    for (const name of elf.dynamic?.needed ?? []) {
      const library = all.find((other) => other?.soname === name);
      if (library !== undefined) needed.add(library);
    }
  }
  return needed;
}
