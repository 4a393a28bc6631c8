/** adjtimex(2) and clock_adjtime(2): what an unsynchronised clock tells of itself. Nobody may tune it. */
import { Struct } from "../abi/struct.ts";
import { CLOCK_REALTIME, readClock } from "../clocks.ts";
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM } from "../errno.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";

/** struct __kernel_timex (include/uapi/linux/timex.h) */
export const Timex = new Struct("timex", {
  modes: "u32",
  offset: "i64",
  freq: "i64",
  maxerror: "i64",
  esterror: "i64",
  status: "i32",
  constant: "i64",
  precision: "i64",
  tolerance: "i64",
  sec: "i64",
  usec: "i64",
  tick: "i64",
  ppsfreq: "i64",
  jitter: "i64",
  shift: "i32",
  stabil: "i64",
  jitcnt: "i64",
  calcnt: "i64",
  errcnt: "i64",
  stbcnt: "i64",
  tai: "i32",
  reserved: { zero: 44 },
});

/** Modes that ask only: none, and for what adjtime(3) has left. */
const READING: ReadonlySet<number> = new Set([0, 0xa001]);
const STA_UNSYNC = 0x40, TIME_ERROR = 5;
/** kernel/time/ntp.c: microseconds, the worst that is said; scaled ppm; microseconds of a tick. */
const NTP_PHASE_LIMIT = 16_000_000, MAXFREQ_SCALED = 32_768_000, TICK = 10_000;
const TIME_CONSTANT = 2;

function adjust(call: Call, at: number): number {
  const wanted = readStruct(call.space, Timex, at);
  if (wanted === null) return -EFAULT;
  if (!READING.has(wanted.modes)) return -EPERM;
  const { sec, nsec } = readClock(call.kernel, call.thread, CLOCK_REALTIME)!;
  const failed = writeStruct(call.space, Timex, at, {
    modes: wanted.modes,
    maxerror: NTP_PHASE_LIMIT,
    esterror: NTP_PHASE_LIMIT,
    status: STA_UNSYNC,
    constant: TIME_CONSTANT,
    precision: 1,
    tolerance: MAXFREQ_SCALED,
    sec,
    usec: Math.floor(nsec / 1000),
    tick: TICK,
  });
  return failed < 0 ? failed : TIME_ERROR;
}

function clockAdjtime(call: Call, clock: number, at: number): number {
  if (clock === CLOCK_REALTIME) return adjust(call, at);
  if (readStruct(call.space, Timex, at) === null) return -EFAULT;
  return readClock(call.kernel, call.thread, clock) === null ? -EINVAL : -EOPNOTSUPP;
}

export const clockTuningRows: readonly SyscallRow[] = [
  { name: "adjtimex", x86_64: 159, aarch64: 171, args: ["out:timex"], run: adjust },
  {
    name: "clock_adjtime",
    x86_64: 305,
    aarch64: 266,
    args: ["enum:clock", "out:timex"],
    run: clockAdjtime,
  },
];
