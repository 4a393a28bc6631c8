/** What the parts of a region's lowering share: its code and locals, what it is made for, and the place in it. */
import type { Block } from "../blocks.ts";
import type { Type } from "../ir/types.ts";
import type { Code } from "./code.ts";
import type { Linker } from "./cold.ts";
import type { StreamKinds } from "./event_stream.ts";
import type { Instrumentation } from "./events.ts";
import type { RuntimeName } from "./imports.ts";
import * as R from "./records.ts";
import type { RegionLocals } from "./region_locals.ts";
import type { Member, RegionPlan, RegionSource } from "./region_plan.ts";

export class RegionContext {
  /** The node that is lowered, and the number of its instruction. */
  node = 0;
  index = 0;

  /** `temporary` makes a local that the next instruction may use again, `runtime` is the index of a shared function. */
  constructor(
    readonly code: Code,
    readonly locals: RegionLocals,
    readonly plan: RegionPlan,
    readonly source: RegionSource,
    readonly linker: Linker,
    readonly temporary: (type: Type) => number,
    readonly runtime: (name: RuntimeName) => number,
  ) {}

  get models(): Instrumentation | null {
    return this.linker.instrumentation;
  }
  /** Whether models are told where events happen. */
  get attributes(): boolean {
    return this.linker.instrumentation?.sites === true;
  }
  get stream(): StreamKinds | null {
    return this.linker.stream;
  }

  get member(): Member {
    return this.plan.members[this.node];
  }
  get block(): Block {
    return this.member.block;
  }
  /** Addresses of the instruction, of its record, and of what follows the block. */
  get pc(): number {
    return this.block.pc + this.source.offsetOf(this.block, this.index);
  }
  get record(): number {
    return this.block.head + R.RECORD_SIZE * (this.index + 1);
  }
  get nextPc(): number {
    return this.block.pc + this.block.bytes;
  }
  /** From the end of the block to its instruction `index`, as ordinals go. */
  sinceEnd(index: number = this.index): number {
    return 64 * (index - this.block.count);
  }
}
