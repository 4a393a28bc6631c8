/** Arguments of system calls as text. */
import type { ThreadCall } from "../call.ts";
import { encodeName } from "../fs/file_name.ts";
import { signalName } from "../signal_numbers.ts";
import type { ArgType } from "../syscall.ts";
import { readStrings } from "../user_strings.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { argumentTypes } from "./operations.ts";
import { octal, pointer, quote, quoteShort, SHOWN } from "./strings.ts";
import { protocolName, socketAddress } from "./socket_addresses.ts";
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
function argument(call: ThreadCall, i: number, result: number, room: number): string {
  const type = argumentTypes(call)[i];
  const { space } = call;
  // The row of a call with operations reads the rest as unsigned.
  const value = type === "int" ? call.args[i] | 0 : call.args[i];
  if (call.row.name === "futex") {
    const text = futexArgument(call, i);
    if (text !== null) return text;
  }
  if (call.row.name === "socket" && i === 2) return protocolName(call.args[0], value);
  switch (type) {
    case "out:sockaddr":
      if (value === 0 || result < 0) return pointer(value);
      return socketAddress(value, space, Math.min(space.readU32(call.args[i + 1]), room)) ??
        pointer(value);
    case "out:socklen": {
      if (value === 0) return "NULL";
      const length = result < 0 ? room : space.readU32(value);
      return length === room ? `[${room}]` : `[${room} => ${length}]`;
    }
    case "ptr":
      return pointer(value);
    case "hex":
      return value === 0 ? "0" : `0x${value.toString(16)}`;
    case "mode":
      return octal(value);
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
  const [before, next] = [call.args[i - 1] ?? 0, call.args[i + 1] ?? 0];
  const context = { space, arch: call.arch, next, before, result };
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

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Which of a call's arguments strace shows: some depend on flags. */
function shown(call: ThreadCall): readonly number[] {
  const { row, args } = call;
  const types = argumentTypes(call);
  const mode = types.indexOf("mode");
  if (mode > 0 && types[mode - 1] === "flags:open") {
    return upTo((args[mode - 1] & (O_CREAT | O_TMPFILE)) !== 0 ? types.length : mode);
  }
  if (row.name === "mremap") return upTo(args[3] & 6 ? 5 : 4);
  if (row.name === "futex") return FUTEX_ARGUMENTS[args[1] & 127] ?? upTo(6);
  return upTo(types.length);
}

/** Arguments of each futex operation. */
const FUTEX_ARGUMENTS: { readonly [operation: number]: readonly number[] } = {
  0: [0, 1, 2, 3],
  1: [0, 1, 2],
  3: [0, 1, 2, 3, 4],
  6: [0, 1, 3],
  7: [0, 1],
  8: [0, 1],
  9: [0, 1, 2, 3, 5],
  10: [0, 1, 2, 5],
  13: [0, 1, 3],
};
/** Operations whose fourth argument is a time rather than a count. */
const FUTEX_TIMED = [0, 6, 9, 11, 13];
const FUTEX_BITSETS = [9, 10];

/** futex's fourth and sixth argument mean something else for each operation. */
function futexArgument(call: ThreadCall, i: number): string | null {
  const operation = call.args[1] & 127;
  const value = call.args[i];
  if (i === 3) {
    if (!FUTEX_TIMED.includes(operation)) return String(value | 0);
    return structText("timespec", value, {
      space: call.space,
      arch: call.arch,
      next: 0,
      before: 0,
      result: 0,
    });
  }
  if (i !== 5 || !FUTEX_BITSETS.includes(operation)) return null;
  return value === 0xffffffff ? "FUTEX_BITSET_MATCH_ANY" : pointer(value);
}

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

/**
 * The arguments that are known when the call begins, how many they are, and the room for an address
 * that the call answers.
 */
export function argumentsBefore(
  call: ThreadCall,
): { text: string; count: number; room: number } {
  if (call.row.name === "clone") return { text: "", count: 0, room: 0 };
  const list = shown(call);
  const types = argumentTypes(call);
  const parts: string[] = [];
  for (const i of list) {
    if (isOutput(types[i])) break;
    parts.push(argument(call, i, 0, 0));
  }
  const more = parts.length > 0 && parts.length < list.length ? ", " : "";
  const length = types.indexOf("out:socklen");
  const room = length < 0 ? 0 : Math.max(0, call.space.readU32(call.args[length]));
  return { text: parts.join(", ") + more, count: parts.length, room };
}

/** The rest, but for the first `from` that are shown. */
export function argumentsAfter(
  call: ThreadCall,
  from: number,
  result: number,
  room: number,
): string {
  if (call.row.name === "clone") return cloneText(call);
  return shown(call).slice(from).map((i) => argument(call, i, result, room)).join(", ");
}
