/**
 * The runtime module: small functions written directly in WebAssembly that stand between generated
 * code and the host. They pass addresses through state memory, so no 64-bit value crosses into
 * TypeScript as a BigInt.
 */
import type { Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { Code, STATE, W } from "./code.ts";
import { runtimeSignatures } from "./imports.ts";
import { ENTRY_TYPE, ModuleBuilder } from "./module.ts";
import * as R from "./records.ts";

/** Host functions that the runtime imports: `(size, record)`. */
export interface RuntimeHost {
  /** Physical address of the bytes to read. Throws a guest fault. */
  load_miss(size: number, record: number): number;
  /** Does the store of `STORE_VALUE`; 1 if it changed translated code. Throws a guest fault. */
  store_miss(size: number, record: number): number;
}

/** Table slots of the handlers that are the same for both architectures. */
export const HEAD_SLOT = 1;
export const STOP_SLOT = 2;
export const DEAD_SLOT = 3;
export const RESYNC_SLOT = 4;
export const CONTINUE_SLOT = 5;
/** First slot for generated handlers and regions. */
export const FIRST_SLOT = 8;

/** Builds the runtime module: exports the `runtimeSignatures` and `run(record)`. */
export function runtimeModule(): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  const load = m.import("load_miss", ["i32", "i32"], ["i32"]);
  const store = m.import("store_miss", ["i32", "i32"], ["i32"]);
  const define = (
    name: string,
    params: readonly Type[],
    results: readonly Type[],
    code: Code,
    locals: readonly Type[] = [],
  ): number => {
    const f = m.function(m.type(params, results), locals, code);
    m.export(name, f);
    return f;
  };

  const address = (c: Code): Code => c.i32(0).get(0).mem(W.i64_store, STATE, L.FAULT_ADDRESS);
  {
    const { params, results } = runtimeSignatures.load_slow;
    define("load_slow", params, results, address(new Code()).get(1).get(2).call(load));
  }
  const stores: [keyof typeof runtimeSignatures, number][] = [
    ["store_slow_i32", W.i32_store],
    ["store_slow_i64", W.i64_store],
    ["store_slow_f32", W.f32_store],
    ["store_slow_f64", W.f64_store],
    ["store_slow_v128", -1],
  ];
  for (const [name, opcode] of stores) {
    const { params, results } = runtimeSignatures[name];
    const c = address(new Code()).i32(0).get(1);
    if (opcode < 0) c.op(0xfd, 0x0b).memarg(STATE, L.STORE_VALUE);
    else c.mem(opcode, STATE, L.STORE_VALUE);
    define(name, params, results, c.get(2).get(3).call(store));
  }

  // run(record): enter at a head.
  define(
    "run",
    ["i32"],
    ["i32"],
    new Code().get(0).get(0).mem(W.i32_load, STATE, R.HANDLER).op(W.call_indirect).u32(ENTRY_TYPE)
      .u32(0),
  );

  // The cold head: charge the block, cool it down, go on.
  const head = new Code();
  const HEAT = 1;
  const LEFT = 2;
  head.stateLoad(W.i64_load, L.BUDGET).get(0).mem(W.i32_load16_u, STATE, R.COUNT)
    .op(W.i64_extend_i32_u, W.i64_sub).tee(LEFT).i64(0n).op(W.i64_lt_s, W.if, 0x40);
  leaveAtHead(head, R.Exit.Quantum);
  head.op(W.end);
  head.get(0).get(0).mem(W.i32_load, STATE, R.HEAT).i32(1).op(W.i32_sub).tee(HEAT)
    .mem(W.i32_store, STATE, R.HEAT);
  head.get(HEAT).op(W.i32_eqz, W.if, 0x40);
  leaveAtHead(head, R.Exit.Hot);
  head.op(W.end);
  head.i32(0).get(LEFT).mem(W.i64_store, STATE, L.BUDGET);
  next(head);
  m.element(HEAD_SLOT, m.function(ENTRY_TYPE, ["i32", "i64"], head));

  // The end of a shortened block: pc is in its first immediate.
  const stop = new Code();
  stop.i32(0).get(0).mem(W.i64_load, STATE, R.IMM0).mem(W.i64_store, STATE, L.PC);
  stop.i32(R.Exit.Stop);
  m.element(STOP_SLOT, m.function(ENTRY_TYPE, [], stop));

  // The head of a block that is no longer valid: look its address up anew.
  const dead = new Code();
  leaveAtHead(dead, R.Exit.Lookup);
  dead.op(W.unreachable);
  m.element(DEAD_SLOT, m.function(ENTRY_TYPE, [], dead));

  // An instruction of a block that was invalidated while it ran.
  const resync = new Code().i32(0).get(0).mem(W.i32_store, STATE, L.EXIT_RECORD)
    .i32(R.Exit.Resync);
  m.element(RESYNC_SLOT, m.function(ENTRY_TYPE, [], resync));

  // An exits record reached by falling off the end of its block: follow its second link.
  const on = new Code();
  const TARGET = 1;
  on.get(0).mem(W.i32_load, STATE, R.NEXT_LINK).stateLoad(W.i32_load, L.LINKS).op(W.i32_add)
    .mem(W.i32_load, STATE, 0).tee(TARGET).op(W.if, 0x40)
    .get(TARGET).get(TARGET).mem(W.i32_load, STATE, R.HANDLER)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0).op(W.end);
  on.i32(0).get(0).mem(W.i32_load, STATE, R.NEXT_LINK).mem(W.i32_store, STATE, L.EXIT_SLOT);
  on.i32(0).get(0).mem(W.i64_load, STATE, R.NEXT_PC).mem(W.i64_store, STATE, L.PC);
  on.i32(R.Exit.Link);
  m.element(CONTINUE_SLOT, m.function(ENTRY_TYPE, ["i32"], on));
  return m.build();
}

/** Return `exit` with pc at the block whose head is parameter 0. */
function leaveAtHead(c: Code, exit: R.Exit): void {
  c.i32(0).get(0).mem(W.i64_load, STATE, R.HEAD_PC).mem(W.i64_store, STATE, L.PC);
  c.i32(0).get(0).mem(W.i32_store, STATE, L.EXIT_RECORD).i32(exit).op(W.return);
}

function next(c: Code): void {
  c.get(0).i32(R.RECORD_SIZE).op(W.i32_add).get(0).mem(W.i32_load, STATE, R.RECORD_SIZE)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);
}
