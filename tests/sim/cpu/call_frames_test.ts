/** Calls and returns of two threads against arrays of names, with the room for nodes cleared in between. */
import { assert, assertEquals } from "@std/assert";
import { CallFrames } from "../../../sim/cpu/call_frames.ts";
import { ContextNodes } from "../../../sim/cpu/context_nodes.ts";
import * as L from "../../../sim/cpu/layout.ts";
import { SiteHeap } from "../../../sim/cpu/site_heap.ts";
import { DEEPEST } from "../../../sim/cpu/site_kinds.ts";
import { StateMemory } from "../../../sim/cpu/state_memory.ts";
import { FRAME_NODE, FRAME_SIZE, NODE_COUNT } from "../../../sim/cpu/wasm/site_nodes.ts";
import type { SiteKeeper } from "../../../sim/models/site_memory.ts";

/** Names contexts by the addresses that were called, and counts instructions by context and function. */
class Names implements Partial<SiteKeeper> {
  readonly names = [""];
  readonly counted = new Map<string, number>();
  callee(context: number, to: number): number {
    const name = `${this.names[context]}/${to}`;
    const known = this.names.indexOf(name);
    return known >= 0 ? known : this.names.push(name) - 1;
  }
  enter(): void {}
  addContext(context: number, function_: number, events: Float64Array): void {
    const key = `${this.names[context]} ${function_}`;
    this.counted.set(key, (this.counted.get(key) ?? 0) + events[0]);
  }
}

Deno.test("calls return to where they came from when the room for nodes was cleared", () => {
  const state = new StateMemory(new WebAssembly.Memory({ initial: 2 ** 13 }));
  const heap = new SiteHeap(state);
  const names = new Names();
  const nodes = new ContextNodes(state, heap, names as unknown as SiteKeeper);
  const frames = new CallFrames(state, heap, nodes);
  const cell = (at: number): number => state.u32[at >> 2];

  interface Thread {
    context: string;
    readonly calls: { readonly next: number; readonly context: string }[];
  }
  const threads: Thread[] = [{ context: "", calls: [] }, { context: "", calls: [] }];
  const expected = new Map<string, number>();
  let [running, state32] = [0, 7];
  const draw = (below: number): number => {
    state32 = (Math.imul(state32, 1103515245) + 12345) >>> 0;
    return Math.floor(state32 / 2 ** 32 * below);
  };
  const execute = (function_: number): void => {
    const { context } = nodes.placeOf(cell(L.SITE_NODE));
    const node = nodes.at({ context, function_ });
    state.u32[L.SITE_NODE >> 2] = node;
    const count = 1 + draw(9);
    state.put(node + NODE_COUNT, state.signed(node + NODE_COUNT) + 64 * count);
    const key = `${threads[running].context} ${function_}`;
    expected.set(key, (expected.get(key) ?? 0) + count);
  };
  let [cleared, deepest] = [0, 0];
  frames.enterThread(0);
  for (let step = 0; step < 30_000; step++) {
    const thread = threads[running];
    const choice = draw(100);
    if (choice === 0) {
      running = 1 - running;
      frames.enterThread(running);
    } else if (choice === 1 && draw(20) === 0) {
      frames.across(() => {
        nodes.collect();
        nodes.clear();
        heap.clear();
      });
      cleared++;
    } else if (choice < (step % 4000 < 2500 ? 60 : 40)) {
      const [next, to] = [2 ** 40 + draw(1000), 2 ** 33 + draw(3)];
      if (cell(L.SITE_TOP) >= cell(L.SITE_LIMIT)) frames.grow();
      const top = cell(L.SITE_TOP) + FRAME_SIZE;
      state.put(top, next);
      state.u32[(top + FRAME_NODE) >> 2] = cell(L.SITE_NODE);
      state.u32[L.SITE_TOP >> 2] = top;
      state.u32[L.SITE_NODE >> 2] = nodes.callee(cell(L.SITE_NODE), to);
      thread.calls.push({ next, context: thread.context });
      if (thread.calls.length <= DEEPEST) thread.context += `/${to}`;
      deepest = Math.max(deepest, thread.calls.length);
    } else if (thread.calls.length > 0) {
      const { next, context } = thread.calls.pop()!;
      thread.context = context;
      const top = cell(L.SITE_TOP);
      assertEquals(state.unsigned(top), next);
      state.u32[L.SITE_NODE >> 2] = cell(top + FRAME_NODE);
      state.u32[L.SITE_TOP >> 2] = top - FRAME_SIZE;
    } else assertEquals(cell(L.SITE_TOP), cell(L.SITE_BASE));
    execute(draw(2));
    assertEquals(
      names.names[nodes.placeOf(cell(L.SITE_NODE)).context],
      threads[running].context,
    );
  }
  nodes.collect();
  assertEquals(names.counted, expected);
  assert(cleared > 5 && deepest > DEEPEST);
});
