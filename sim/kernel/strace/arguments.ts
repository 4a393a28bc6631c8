/** Arguments of system calls as text. */
import type { ThreadCall } from "../call.ts";
import { encodeName } from "../fs/file_name.ts";
import { signalName } from "../signal_numbers.ts";
import type { ArgType } from "../syscall.ts";
import { readStrings } from "../user_strings.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { pointer, quote, quoteShort, SHOWN } from "./strings.ts";
import { structText } from "./structs.ts";
import { getUnsigned64 } from "../abi/struct.ts";

/** `AT_FDCWD` as a descriptor. */
const AT_FDCWD = -100;
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;

/** Whether an argument is only known once the call has returned. */
export function isOutput(type: ArgType): boolean {
  return type === "out-buffer" || type.startsWith("out:");
}

/** Text of argument `i`. Outputs want the call's result; a failed call shows their address. */
function argument(call: ThreadCall, i: number, result: number): string {
  const type = call.row.args[i];
  const value = call.args[i];
  const { space } = call;
  switch (type) {
    case "ptr":
      return pointer(value);
    case "hex":
      return value === 0 ? "0" : `0x${value.toString(16)}`;
    case "mode":
      return value === 0 ? "000" : `0${value.toString(8).padStart(3, "0")}`;
    case "dirfd":
      return value === AT_FDCWD ? "AT_FDCWD" : String(value);
    case "signal":
      return signalName(value).replace("SIG0", "0");
    case "path":
    case "string": {
      if (value === 0) return "NULL";
      const bytes = space.readCBytes(value);
      if (typeof bytes === "number") return pointer(value);
      return type === "path" ? quote(bytes) : quoteShort(bytes);
    }
    case "strings":
      return vector(call, value);
    case "environment": {
      const count = countStrings(call, value);
      return `${pointer(value)} /* ${count} var${count === 1 ? "" : "s"} */`;
    }
    case "buffer":
      return buffer(call, value, call.args[i + 1]);
    case "out-buffer":
      return result < 0 ? pointer(value) : buffer(call, value, result);
  }
  if (!type.includes(":")) return String(value);
  const [kind, name] = type.split(":");
  const context = { space, arch: call.arch, next: call.args[i + 1] ?? 0 };
  switch (kind) {
    case "flags":
      return flagNames(name, value, call.arch);
    case "enum":
      return enumName(name, value);
    case "out":
      return result < 0 ? pointer(value) : structText(name, value, context);
    default:
      return structText(name, value, context);
  }
}

function buffer(call: ThreadCall, at: number, length: number): string {
  if (at === 0) return "NULL";
  const bytes = call.space.readBytes(at, Math.min(length, SHOWN + 1));
  return typeof bytes === "number" ? pointer(at) : quoteShort(bytes, length);
}

/** Elements of a vector that are shown. */
const ELEMENTS = 32;

function vector(call: ThreadCall, at: number): string {
  if (at === 0) return "NULL";
  const list = readStrings(call.space, at, 131072);
  if (typeof list === "number") return pointer(at);
  const shown = list.slice(0, ELEMENTS).map((text) => quoteShort(encodeName(text)));
  return `[${shown.join(", ")}${list.length > ELEMENTS ? ", ..." : ""}]`;
}

function countStrings(call: ThreadCall, at: number): number {
  if (at === 0) return 0;
  for (let count = 0;; count++) {
    const word = call.space.readBytes(at + 8 * count, 8);
    if (typeof word === "number" || getUnsigned64(new DataView(word.buffer), 0) === 0) return count;
  }
}

/** How many of a call's arguments strace shows: some depend on flags. */
function shown(call: ThreadCall): number {
  const { row, args } = call;
  const types = row.args;
  const mode = types.indexOf("mode");
  if (mode > 0 && types[mode - 1] === "flags:open" && mode === types.length - 1) {
    return (args[mode - 1] & (O_CREAT | O_TMPFILE)) !== 0 ? types.length : mode;
  }
  if (row.name === "mremap") return args[3] & 6 ? 5 : 4;
  if (row.name === "futex") return FUTEX_ARGUMENTS[args[1] & 127] ?? 6;
  if (row.name === "prctl") return 2;
  return types.length;
}

/** Arguments of each futex operation. */
const FUTEX_ARGUMENTS: { readonly [operation: number]: number } = {
  0: 4,
  1: 3,
  3: 5,
  6: 4,
  7: 2,
  8: 2,
  9: 6,
  10: 6,
  13: 4,
};

/** clone is printed in an order of its own. */
function cloneText(call: ThreadCall): string {
  const [flags, stack, parentTid, d, e] = call.args;
  const [childTid, tls] = call.arch === "x86_64" ? [d, e] : [e, d];
  const signal = flags & 0xff;
  const names = flagNames("clone", flags & ~0xff, call.arch);
  const bits = signal === 0
    ? names
    : names === "0"
    ? signalName(signal)
    : `${names}|${signalName(signal)}`;
  let text = `child_stack=${pointer(stack)}, flags=${bits}`;
  if (flags & 0x100000) text += `, parent_tid=[${call.space.readU32(parentTid)}]`;
  if (flags & 0x80000) text += `, tls=${pointer(tls)}`;
  if (flags & 0x1200000) text += `, child_tidptr=${pointer(childTid)}`;
  return text;
}

/** The arguments that are known when the call begins, and how many they are. */
export function argumentsBefore(call: ThreadCall): { text: string; count: number } {
  const { row } = call;
  if (row.name === "clone") return { text: "", count: 0 };
  const total = shown(call);
  const parts: string[] = [];
  for (let i = 0; i < total && !isOutput(row.args[i]); i++) parts.push(argument(call, i, 0));
  return { text: parts.join(", "), count: parts.length };
}

/** The rest, from argument `from` on. */
export function argumentsAfter(call: ThreadCall, from: number, result: number): string {
  if (call.row.name === "clone") return cloneText(call);
  const parts: string[] = [];
  for (let i = from; i < shown(call); i++) parts.push(argument(call, i, result));
  return (from > 0 && parts.length > 0 ? ", " : "") + parts.join(", ");
}
