/**
 * System calls: from registers to a row's handler and back, past the hooks of user scripts and the
 * strace printer.
 */
import { gpr } from "../cpu/layout.ts";
import type { Abi } from "./abi/abi.ts";
import type { ThreadCall } from "./call.ts";
import type { ArgType, Call, SyscallRow } from "./syscall.ts";

/** What a script may do at a system call. */
export interface SyscallHook {
  /** Before the handler runs, whose arguments it may change; not again when a blocked call is retried. */
  enter?(call: Call, args: number[]): void;
  /** In place of the handler; `next()` runs it. Returns the result, or what `next` returned. */
  call?(call: Call, args: readonly number[], next: () => number): number;
  /** After the call has its result (a value, or -errno). */
  exit?(call: Call, args: readonly number[], result: number): void;
}

/** Hooks by name of system call; `*` means all. */
export class SyscallHooks {
  readonly #hooks: Map<string, SyscallHook[]> = new Map();

  /** Install a hook; the answer removes it. */
  on(name: string, hook: SyscallHook): () => void {
    const list = this.#hooks.get(name) ?? [];
    list.push(hook);
    this.#hooks.set(name, list);
    return () => {
      const at = list.indexOf(hook);
      if (at >= 0) list.splice(at, 1);
    };
  }

  /** Whether there is any hook at all. */
  get any(): boolean {
    return this.#hooks.size > 0;
  }

  /** The hooks that a call of this name has, those of `*` first. */
  of(name: string): readonly SyscallHook[] {
    return [...(this.#hooks.get("*") ?? []), ...(this.#hooks.get(name) ?? [])];
  }
}

const enum Width {
  Signed32,
  Unsigned32,
  Signed64,
  Unsigned64,
}

function widthOf(type: ArgType): Width {
  switch (type) {
    case "int":
    case "fd":
    case "dirfd":
    case "signal":
      return Width.Signed32;
    case "uint":
    case "mode":
      return Width.Unsigned32;
    case "long":
    case "off":
      return Width.Signed64;
    default:
      return type.startsWith("flags:") || type.startsWith("enum:")
        ? Width.Signed32
        : Width.Unsigned64;
  }
}

const widths: WeakMap<SyscallRow, Width[]> = new WeakMap();

/** Read the row's arguments from the registers, in `view`, into `args`; those it does not have become 0. */
export function readArguments(view: DataView, abi: Abi, row: SyscallRow, args: number[]): void {
  let types = widths.get(row);
  if (types === undefined) widths.set(row, types = row.args.map(widthOf));
  for (let i = 0; i < 6; i++) {
    if (i >= types.length) {
      args[i] = 0;
      continue;
    }
    const at = gpr(abi.args[i]);
    switch (types[i]) {
      case Width.Signed32:
        args[i] = view.getInt32(at, true);
        break;
      case Width.Unsigned32:
        args[i] = view.getUint32(at, true);
        break;
      case Width.Signed64:
        args[i] = view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
        break;
      default:
        args[i] = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
    }
  }
}

/** Run the handler of a call that begins or is resumed. */
export function runHandler(call: ThreadCall, hooks: SyscallHooks): number {
  const { row, args } = call;
  const run = (): number => row.run(call, args[0], args[1], args[2], args[3], args[4], args[5]);
  if (!hooks.any) return run();
  let next = run;
  for (const hook of hooks.of(row.name)) {
    if (!call.resumed) hook.enter?.(call, args);
    if (hook.call) {
      const inner = next;
      next = () => hook.call!(call, args, inner);
    }
  }
  return next();
}
