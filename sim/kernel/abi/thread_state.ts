/** Saved thread state (`layout.THREAD_SIZE` bytes), as clone edits it. */
import { FS_BASE, gpr, MONITOR_ADDRESS, THREAD_SIZE } from "../../cpu/layout.ts";
import { setNumber64 } from "./struct.ts";

/** All registers zero, exclusive monitor clear. */
export function freshState(): Uint8Array {
  const state = new Uint8Array(THREAD_SIZE);
  state.fill(0xff, MONITOR_ADDRESS, MONITOR_ADDRESS + 8);
  return state;
}

const view = (state: Uint8Array): DataView => new DataView(state.buffer, state.byteOffset);

/** Set general register `i` in a saved state. */
export function setSavedRegister(state: Uint8Array, i: number, value: number): void {
  setNumber64(view(state), gpr(i), value);
}

/** Set the thread pointer in a saved state. */
export function setSavedThreadPointer(state: Uint8Array, value: number): void {
  setNumber64(view(state), FS_BASE, value);
}
