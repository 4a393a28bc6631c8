/** When blocks are compiled: to functions of their own, then in regions; several at a time. */
import type { BlockFunctions } from "./block_functions.ts";
import { type Block, type Blocks, placeOf } from "./blocks.ts";
import { Flow } from "./ir/decoded.ts";
import type { Region, Regions } from "./regions.ts";
import type { SpaceLinks } from "./space_links.ts";

/**
 * A block gets a function of its own after this part of its heat, or, in a program of so much code that it needs many,
 * after a lesser one; how many instructions it waits for others.
 */
const WARMTH = 13;
const FLAT_WARMTH = 66;
const MANY_FUNCTIONS = 3072;
const WARM_PATIENCE = 2_000_000;
/** Instructions that a hot block waits for others, in terms of a block's heat; none waits where that is low. */
const PATIENCE = 500;
const LOW_HEAT = 100;
/** Where regions come this early, in tests, functions do so too. */
const EARLY_HEAT = 1000;

/** Executions after which a block is first compiled; functions of blocks append to no event stream that is whole. */
export function warmthOf(heat: number, streaming: boolean): number {
  if (!Number.isFinite(heat)) return 0x7fffffff;
  if (heat < LOW_HEAT || streaming) return heat;
  return Math.floor(heat / (heat < EARLY_HEAT ? FLAT_WARMTH : WARMTH));
}

export class Promotion {
  readonly #blocks: Blocks;
  readonly #functions: BlockFunctions;
  readonly #regions: Regions;
  readonly #links: SpaceLinks;
  readonly #patience: number;
  readonly #warmPatience: number;
  /** Instructions retired since the start, and when nothing waited to be compiled last. */
  #total = 0;
  #compiled = 0;
  #compiledWarm = 0;

  constructor(blocks: Blocks, functions: BlockFunctions, regions: Regions, links: SpaceLinks) {
    this.#blocks = blocks;
    this.#functions = functions;
    this.#regions = regions;
    this.#links = links;
    const { heat } = regions;
    this.#patience = heat < LOW_HEAT ? 0 : heat * PATIENCE;
    this.#warmPatience = heat < EARLY_HEAT ? 0 : WARM_PATIENCE;
  }

  /** `total` instructions have retired: what waited long enough is compiled, though a batch is not full. */
  ran(total: number): void {
    this.#total = total;
    if (this.#functions.pending === 0) this.#compiledWarm = total;
    else if (total - this.#compiledWarm > this.#warmPatience) this.#compileWarm();
    if (this.#regions.pending === 0) this.#compiled = total;
    else if (total - this.#compiled > this.#patience) this.#compile();
  }

  /** `block` counted down to zero. */
  hot(block: Block): void {
    if (this.#blocks.cuts.has(block.pc)) this.#blocks.reheat(block, this.#blocks.heat);
    else if (this.#wantsFunction(block)) {
      if (this.#functions.enqueue(block)) this.#compileWarm();
    } else if (this.#regions.enqueue(block)) this.#compile();
  }

  /** The region of `entry` often leaves through the transfer at the end of `block` to `pc`. */
  hotLink(block: Block, entry: Block, pc: number): void {
    if (isIndirect(block.flow)) this.#blocks.addTarget(block, pc);
    const region = this.#regions.at(entry);
    if (region !== undefined && this.#regions.extend(region, pc)) this.#compile();
  }

  /**
   * A block that the current space may enter in its region: `block`, or another translation where the region
   * spans pages that this space maps otherwise; undefined if there is none.
   */
  enterable(block: Block | undefined, sawPage: (va: number) => void): Block | undefined {
    let candidate = block;
    while (candidate !== undefined) {
      const region = this.#regions.at(candidate);
      if (region === undefined || region.pages.size === 1 || this.#maps(region, sawPage)) break;
      candidate = candidate.variant;
    }
    return candidate;
  }

  /** Whether the current space maps all pages of `region` as they were when it was compiled. */
  #maps(region: Region, sawPage: (va: number) => void): boolean {
    const space = this.#links.current!;
    for (const [page, place] of region.pages) {
      const known = this.#links.placeOf(page);
      if (known === place) continue;
      if (known !== undefined) return false;
      const physical = space.peekExecutable(page * 4096);
      const guarded = space.resolved.guarded === true;
      if (physical < 0 || placeOf(physical >>> 12, guarded) !== place) return false;
      sawPage(page * 4096);
      this.#links.fetched(page, place);
    }
    return true;
  }

  /** Whether `block` is to get a function of its own first. One that repeats itself stores conditionally. */
  #wantsFunction(block: Block): boolean {
    return block.slot === 0 && block.flow !== Flow.Repeat &&
      this.#blocks.heat < this.#regions.heat;
  }

  /** Compile blocks that wait for functions of their own. */
  #compileWarm(): void {
    this.#compiledWarm = this.#total;
    this.#functions.compile();
    if (this.#functions.counts.blocks >= MANY_FUNCTIONS) {
      this.#blocks.hasten(Math.floor(this.#regions.heat / FLAT_WARMTH));
    }
  }

  /** Compile hot regions; those over several pages must be checked before another space enters them. */
  #compile(): void {
    this.#compiled = this.#total;
    const installed = this.#regions.compile((pc) => {
      const place = this.#links.placeOf(Math.floor(pc / 4096));
      if (place === undefined || this.#blocks.cuts.has(pc)) return undefined;
      return this.#blocks.peek(pc, place);
    });
    if (installed.some((r) => r.pages.size > 1)) this.#links.clearOthers();
  }
}

/** Whether control goes on where a value says. */
export function isIndirect(flow: Flow): boolean {
  return flow === Flow.IndirectJump || flow === Flow.IndirectCall || flow === Flow.Return;
}
