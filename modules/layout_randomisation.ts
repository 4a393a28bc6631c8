import {
  exclusive,
  type LinkContext,
  type LinkObject,
  type Module,
  type StateKey,
  weak,
} from "../lib/linker/mod.ts";
import { ET_EXEC } from "../lib/elf/mod.ts";
import { placeTogether } from "./placement.ts";
import { load } from "./sysv/load.ts";

/** Options of `layoutRandomisation`. */
export interface LayoutRandomisationOptions {
  /** Decides every layout; default 1. */
  readonly seed?: number;
  /** Most bytes left free before an object; default 64 KiB, or with `pages: "2M"` 8 MiB. */
  readonly gap?: number;
  /**
   * `2M`: objects begin at multiples of 2 MiB, so that what huge pages can back of their text does not depend on the
   * layout. Default `4K`.
   */
  readonly pages?: "4K" | "2M";
}

const HUGE_PAGE = 2 ** 21;

/**
 * Address-layout randomisation of objects: those of a program, and those of each library opened later with what it
 * needs, lie in one range in an order and with gaps that the seed and the number of the process decide: every program that
 * a process starts has a layout of its own. See docs/modules/layout-randomisation.md.
 *
 * ```ts
 * import { layoutRandomisation, linux } from "./mod.ts";
 *
 * const modules = [...linux(), layoutRandomisation({ seed: 7 })];
 * console.assert(modules.at(-1)!.settings!.seed === 7);
 * ```
 */
export function layoutRandomisation(options: LayoutRandomisationOptions = {}): Module {
  const { seed = 1, pages = "4K" } = options;
  const unit = pages === "2M" ? HUGE_PAGE : undefined;
  const gap = options.gap ?? (pages === "2M" ? 4 * HUGE_PAGE : 2 ** 16);
  const key: StateKey<(limit: number) => number> = {
    create: (link) => randomNumbers(seed, link.processId),
    fork: (_random, link) => randomNumbers(seed, link.processId),
  };
  const ends = new WeakMap<LinkObject, number>();

  const place = weak((link, object) => {
    if (link.batch[0] !== object) return;
    const step = unit ?? link.pageSize;
    const random = link.state(key);
    const order = shuffled(link.batch, random);
    const end = placeTogether(link, order, {
      gap: () => step * random(Math.floor(gap / step) + 1),
      align: () => step,
    });
    if (object.isProgram && object.elf.header.type !== ET_EXEC) ends.set(object, end);
    link.counters.count("layout.objects", order.length);
  });

  const start = weak((link: LinkContext, program: LinkObject) => {
    const end = ends.get(program);
    if (end !== undefined) link.begin({ heap: end });
  });

  return {
    name: "layout-randomisation",
    settings: { seed, gap, pages },
    register: (object) => {
      const passes = { "post-collect": place, "load": exclusive(load) };
      return object.isProgram ? { ...passes, start } : passes;
    },
  };
}

/** Whole numbers below a limit, by Marsaglia's xorshift of 32 bits (Journal of Statistical Software 8, 14). */
export function randomNumbers(seed: number, process: number): (limit: number) => number {
  // Zero would stay zero.
  let state = Math.imul(seed, 0x9e3779b1) ^ Math.imul(process, 0x85ebca6b) || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor((state >>> 0) / 2 ** 32 * limit);
  };
}

/** The items in another order: Fisher and Yates. */
export function shuffled<T>(items: readonly T[], random: (limit: number) => number): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
