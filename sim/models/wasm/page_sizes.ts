/**
 * Translations of pages of any size. While there are base pages alone, nobody asks for a page's size; once
 * there are larger ones the host is asked, and what it says is remembered.
 */
import { Site } from "../../cpu/site_kinds.ts";
import { Side } from "../hierarchy.ts";
import {
  add,
  and,
  type Cell,
  eq,
  i32,
  load,
  ne,
  not,
  shl,
  shrU,
  toNumber,
  wrap,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import type { WasmSites } from "./sites.ts";
import type { WasmTranslation } from "./translation.ts";

/** Large pages' sizes, remembered by 64 KiB: a direct-mapped table. */
const ENTRIES = 256;
const SIZE_SHIFT = 16;
/** An entry: number of 64 KiB, and log2 of the page's bytes. */
const ENTRY = 16;
const BITS = 8;

export class PageSizes {
  /** Whether larger pages were seen in the running space. */
  readonly hasLarge: Cell;
  /** Remembered sizes: where, and bytes. */
  readonly table: number;
  readonly tableBytes: number = ENTRIES * ENTRY;
  /** `bits(va)`: log2 of the page's bytes. */
  bits!: Callable;

  constructor(m: ModelModule) {
    this.hasLarge = m.cell("i32");
    this.table = m.allocate(this.tableBytes);
  }

  /** Write `bits`; `ask` is the host's. */
  writeBits(m: ModelModule, ask: Callable): void {
    const { table } = this;
    this.bits = m.function(["i64"], ["i32"], (f, va) => {
      const part = f.keep(shrU(va, SIZE_SHIFT));
      const at = f.keep(shl(and(wrap(part), ENTRIES - 1), Math.log2(ENTRY)));
      // What is remembered is one more: 0 is an empty entry.
      f.if(eq(load("i64", at, table), add(part, 1)), () => f.return(load("i32", at, table + BITS)));
      const bits = f.keep(ask(toNumber(va)));
      f.store("i64", at, add(part, 1), table);
      f.store("i32", at, bits, table + BITS);
      f.return(bits);
    });
  }

  /** `translate(va, index, address)` of one side; `index` and `address` are for `WasmSites.at`. */
  writeTranslate(
    m: ModelModule,
    translation: WasmTranslation,
    side: Side,
    sites: WasmSites | null,
  ): Callable {
    const at = sites?.at ?? null;
    return m.function(["i64", "i32", "i64"], [], (f, va, index, address) => {
      const walks = at === null ? null : f.keep(translation.stlbMisses.value);
      f.block((missed) => {
        f.if(this.hasLarge.value, () => {
          f.if(not(translation.access[side](va, this.bits(va))), missed);
          f.return();
        });
        translation.ifMissed(f, side, va, missed);
        f.return();
      });
      if (at === null) return;
      const site = side === Side.Data ? Site.DtlbMisses : Site.ItlbMisses;
      f.call(at(i32(site), index, address));
      f.if(
        ne(translation.stlbMisses.value, walks!),
        () => f.call(at(i32(Site.StlbMisses), index, address)),
      );
    });
  }
}
