/** Structures of scheduling, of the clock and of futex_waitv as strace prints them. */
import { SchedAttr } from "../syscalls/scheduling_policy.ts";
import { FutexWaitv } from "../syscalls/futex_vector.ts";
import { Timex } from "../syscalls/clock_tuning.ts";
import { readStruct } from "../user_struct.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";
import { pointer } from "./strings.ts";
import type { Printer } from "./structs.ts";

const schedAttr: Printer = (at, { space, arch }) => {
  const value = readStruct(space, SchedAttr, at);
  if (value === null) return null;
  const { size, policy, flags, nice, priority, runtime, deadline, period } = value;
  const clamps = size >= SchedAttr.size
    ? `, sched_util_min=${value.utilMin}, sched_util_max=${value.utilMax}`
    : "";
  return `{size=${size}, sched_policy=${enumName("sched", policy)}, ` +
    `sched_flags=${flagNames("sched_attr", flags, arch)}, sched_nice=${nice}, ` +
    `sched_priority=${priority}, sched_runtime=${runtime}, sched_deadline=${deadline}, ` +
    `sched_period=${period}${clamps}}`;
};

const futexWaitv: Printer = (at, { space, arch, next }) => {
  const parts: string[] = [];
  for (let i = 0; i < Math.min(next, 32); i++) {
    const one = readStruct(space, FutexWaitv, at + i * FutexWaitv.size);
    if (one === null) return null;
    const value = one.value === 0 ? "0" : `0x${one.value.toString(16)}`;
    const flags = flagNames("futex_waitv", one.flags, arch);
    parts.push(`{val=${value}, uaddr=${pointer(one.address)}, flags=${flags}}`);
  }
  return `[${parts.join(", ")}]`;
};

const BEFORE_TIME = ["maxerror", "esterror"] as const;
const AFTER_TIME = [
  "tick",
  "ppsfreq",
  "jitter",
  "shift",
  "stabil",
  "jitcnt",
  "calcnt",
  "errcnt",
  "stbcnt",
  "tai",
] as const;

const timex: Printer = (at, { space, arch }) => {
  const value = readStruct(space, Timex, at);
  if (value === null) return null;
  const fields = (names: readonly (keyof typeof value)[]): string =>
    names.map((name) => `${name}=${value[name]}`).join(", ");
  return `{${fields(["modes", "offset", "freq", ...BEFORE_TIME])}, ` +
    `status=${flagNames("timex_status", value.status, arch)}, ` +
    `${fields(["constant", "precision", "tolerance"])}, ` +
    `time={tv_sec=${value.sec}, tv_usec=${value.usec}}, ${fields(AFTER_TIME)}}`;
};

/** Printers by the names that rows use. */
export const SETTING_PRINTERS: { readonly [name: string]: Printer } = {
  sched_attr: schedAttr,
  futex_waitv: futexWaitv,
  timex,
};
