/** Registers of x86_64 (GDB manual, "i386 Features"). */
import type { Cpu } from "../cpu/cpu.ts";
import {
  FS_BASE,
  gpr,
  GS_BASE,
  MXCSR,
  PKRU,
  SELECTORS,
  UPPER,
  vector,
  X87_CONTROL,
  X87_FDP,
  X87_FIP,
  X87_FOP,
  X87_REGISTERS,
  X87_STATUS,
  X87_TAGS,
  X87_TOP,
  XCR0,
} from "../cpu/layout.ts";
import { USER_CS, USER_DS } from "../kernel/abi/x86_64.ts";
import {
  bytesOf,
  programCounter,
  type Register,
  type RegisterFeature,
  stateOf,
  stored,
} from "./register.ts";

/** Names in gdb's order, with their numbers in instructions. */
const GENERAL: readonly (readonly [string, number])[] = [
  ["rax", 0],
  ["rbx", 3],
  ["rcx", 1],
  ["rdx", 2],
  ["rsi", 6],
  ["rdi", 7],
  ["rbp", 5],
  ["rsp", 4],
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((i) => [`r${i}`, i] as const),
];

const eflags: Register = {
  ...{ name: "eflags", size: 4, type: "i386_eflags" },
  read: (cpu, into) => into.setUint32(0, cpu.flags, true),
  write: (cpu, from) => cpu.flags = from.getUint32(0, true),
};

const EFLAGS = `<flags id="i386_eflags" size="4">
<field name="" start="22" end="31"/>
<field name="CF" start="0" end="0"/><field name="" start="1" end="1"/>
<field name="PF" start="2" end="2"/><field name="AF" start="4" end="4"/>
<field name="ZF" start="6" end="6"/><field name="SF" start="7" end="7"/>
<field name="TF" start="8" end="8"/><field name="IF" start="9" end="9"/>
<field name="DF" start="10" end="10"/><field name="OF" start="11" end="11"/>
<field name="NT" start="14" end="14"/><field name="RF" start="16" end="16"/>
<field name="VM" start="17" end="17"/><field name="AC" start="18" end="18"/>
<field name="VIF" start="19" end="19"/><field name="VIP" start="20" end="20"/>
<field name="ID" start="21" end="21"/>
</flags>`;

/** A register that no program may change, with its value. */
const fixed = (name: string, size: number, value: number, group?: string): Register => ({
  ...{ name, size, group },
  read: (_cpu, into) => into.setUint32(0, value, true),
  write: () => {},
});

/** Register `i` of the x87 stack. */
const stack = (i: number): Register => {
  const at = (cpu: Cpu): number =>
    X87_REGISTERS + 16 * ((stateOf(cpu).getUint32(X87_TOP, true) + i) & 7);
  return {
    ...{ name: `st${i}`, size: 10, type: "i387_ext" },
    read: (cpu, into) => bytesOf(into).set(cpu.stateBytes.subarray(at(cpu), at(cpu) + 10)),
    write: (cpu, from) => cpu.stateBytes.set(bytesOf(from), at(cpu)),
  };
};

/** A 32-bit register of the x87, with its word of the state. */
const x87 = (
  name: string,
  read: (state: DataView) => number,
  write: (state: DataView, value: number) => void,
): Register => ({
  ...{ name, size: 4, group: "float" },
  read: (cpu, into) => into.setUint32(0, read(stateOf(cpu)), true),
  write: (cpu, from) => write(stateOf(cpu), from.getUint32(0, true)),
});

const word = (name: string, at: number, mask: number): Register =>
  x87(
    name,
    (state) => state.getUint32(at, true),
    (state, value) => state.setUint32(at, value & mask, true),
  );

/** Tag of physical register `i` (SDM volume 1, 8.1.7): valid, zero, special, empty. */
function tag(state: DataView, i: number): number {
  if ((state.getUint32(X87_TAGS, true) >> i & 1) !== 0) return 3;
  const significand = state.getBigUint64(X87_REGISTERS + 16 * i, true);
  const exponent = state.getUint16(X87_REGISTERS + 16 * i + 8, true) & 0x7fff;
  if (exponent === 0) return significand === 0n ? 1 : 2;
  return exponent === 0x7fff || significand >> 63n === 0n ? 2 : 0;
}

function tags(state: DataView): number {
  let all = 0;
  for (let i = 0; i < 8; i++) all |= tag(state, i) << (2 * i);
  return all;
}

function setTags(state: DataView, all: number): void {
  let empty = 0;
  for (let i = 0; i < 8; i++) if ((all >> (2 * i) & 3) === 3) empty |= 1 << i;
  state.setUint32(X87_TAGS, empty, true);
}

const TOP_SHIFT = 11;
const TOP_MASK = 7 << TOP_SHIFT;

const status = x87(
  "fstat",
  (state) =>
    (state.getUint32(X87_STATUS, true) & ~TOP_MASK) |
    ((state.getUint32(X87_TOP, true) & 7) << TOP_SHIFT),
  (state, value) => {
    state.setUint32(X87_STATUS, value & 0xffff & ~TOP_MASK, true);
    state.setUint32(X87_TOP, (value & TOP_MASK) >> TOP_SHIFT, true);
  },
);

/** The number of the system call that the thread is in, or -1. */
const origRax: Register = {
  ...{ name: "orig_rax", size: 8, group: "system" },
  read(_cpu, into, { call }) {
    into.setBigInt64(0, call.blocked === null ? -1n : BigInt(call.number), true);
  },
  write: () => {},
};

const VECTORS = `<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128"><field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>
<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>
<field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>
<field name="uint128" type="uint128"/></union>
<flags id="i386_mxcsr" size="4">
<field name="IE" start="0" end="0"/><field name="DE" start="1" end="1"/>
<field name="ZE" start="2" end="2"/><field name="OE" start="3" end="3"/>
<field name="UE" start="4" end="4"/><field name="PE" start="5" end="5"/>
<field name="DAZ" start="6" end="6"/><field name="IM" start="7" end="7"/>
<field name="DM" start="8" end="8"/><field name="ZM" start="9" end="9"/>
<field name="OM" start="10" end="10"/><field name="UM" start="11" end="11"/>
<field name="PM" start="12" end="12"/><field name="FZ" start="15" end="15"/></flags>`;

const numbered = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const base: readonly RegisterFeature[] = [
  {
    name: "org.gnu.gdb.i386.core",
    types: EFLAGS,
    registers: [
      ...GENERAL.map(([name, i]) => {
        const type = name === "rbp" || name === "rsp" ? "data_ptr" : undefined;
        return stored(name, gpr(i), 8, { type });
      }),
      programCounter("rip"),
      eflags,
      fixed("cs", 4, USER_CS),
      fixed("ss", 4, USER_DS),
      stored("ds", SELECTORS + 4, 4),
      stored("es", SELECTORS, 4),
      stored("fs", SELECTORS + 8, 4),
      stored("gs", SELECTORS + 12, 4),
      ...numbered(8).map(stack),
      word("fctrl", X87_CONTROL, 0xffff),
      status,
      x87("ftag", tags, setTags),
      fixed("fiseg", 4, 0, "float"),
      word("fioff", X87_FIP, 0xffffffff),
      fixed("foseg", 4, 0, "float"),
      word("fooff", X87_FDP, 0xffffffff),
      word("fop", X87_FOP, 0x7ff),
    ],
  },
  {
    name: "org.gnu.gdb.i386.sse",
    types: VECTORS,
    registers: [
      ...numbered(16).map((i) => stored(`xmm${i}`, vector(i), 16, { type: "vec128" })),
      stored("mxcsr", MXCSR, 4, { type: "i386_mxcsr", group: "vector" }),
    ],
  },
  { name: "org.gnu.gdb.i386.linux", registers: [origRax] },
  {
    name: "org.gnu.gdb.i386.segments",
    registers: [
      stored("fs_base", FS_BASE, 8),
      stored("gs_base", GS_BASE, 8),
    ],
  },
];

const avx: RegisterFeature = {
  name: "org.gnu.gdb.i386.avx",
  registers: numbered(16).map((i) =>
    stored(`ymm${i}h`, vector(i) + UPPER, 16, { type: "uint128" })
  ),
};

const keys: RegisterFeature = {
  name: "org.gnu.gdb.i386.pkeys",
  registers: [stored("pkru", PKRU, 4, { type: "uint32" })],
};

/** With AVX and protection keys if the processor has them. */
export function x86_64Features(cpu: Cpu): readonly RegisterFeature[] {
  const { buffer, byteOffset } = cpu.stateBytes;
  const xcr0 = new DataView(buffer, byteOffset).getUint32(XCR0, true);
  return xcr0 === 0 ? base : [...base, avx, keys];
}
