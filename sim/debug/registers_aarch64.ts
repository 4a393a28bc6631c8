/** Registers of aarch64 (GDB manual, "AArch64 Features"). */
import { FPCR_MASK, FPSR_MASK, setStatus } from "../cpu/aarch64/float/status.ts";
import { FPCR, FPSR, gpr, SP, TPIDR, vector } from "../cpu/layout.ts";
import {
  programCounter,
  type Register,
  type RegisterFeature,
  stateOf,
  stored,
} from "./register.ts";

const cpsr: Register = {
  ...{ name: "cpsr", size: 4, type: "cpsr_flags" },
  read: (cpu, into) => into.setUint32(0, cpu.flags >>> 0, true),
  write: (cpu, from) => cpu.flags = from.getUint32(0, true),
};

const CPSR_FLAGS = `<flags id="cpsr_flags" size="4">
<field name="BTYPE" start="10" end="11"/>
<field name="V" start="28" end="28"/><field name="C" start="29" end="29"/>
<field name="Z" start="30" end="30"/><field name="N" start="31" end="31"/>
</flags>`;

/** FPCR and FPSR, the state words of which tell of each other (`float/status.ts`). */
const fpcr: Register = {
  ...{ name: "fpcr", size: 4, group: "float" },
  read: (cpu, into) => into.setUint32(0, stateOf(cpu).getUint32(FPCR, true) & FPCR_MASK, true),
  write(cpu, from) {
    const state = stateOf(cpu);
    setStatus(state, from.getUint32(0, true), state.getUint32(FPSR, true));
  },
};
const fpsr: Register = {
  ...{ name: "fpsr", size: 4, group: "float" },
  read: (cpu, into) => into.setUint32(0, stateOf(cpu).getUint32(FPSR, true), true),
  write(cpu, from) {
    const state = stateOf(cpu);
    setStatus(state, state.getUint32(FPCR, true), from.getUint32(0, true) & FPSR_MASK);
  },
};

/** A vector register as lanes of every type (the standard `aarch64v`). */
const VECTOR_TYPES = `<vector id="v2d" type="ieee_double" count="2"/>
<vector id="v2u" type="uint64" count="2"/><vector id="v2i" type="int64" count="2"/>
<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v4u" type="uint32" count="4"/><vector id="v4i" type="int32" count="4"/>
<vector id="v8f" type="ieee_half" count="8"/>
<vector id="v8u" type="uint16" count="8"/><vector id="v8i" type="int16" count="8"/>
<vector id="v16u" type="uint8" count="16"/><vector id="v16i" type="int8" count="16"/>
<vector id="v1u" type="uint128" count="1"/><vector id="v1i" type="int128" count="1"/>
<union id="vnd"><field name="f" type="v2d"/><field name="u" type="v2u"/><field name="s" type="v2i"/></union>
<union id="vns"><field name="f" type="v4f"/><field name="u" type="v4u"/><field name="s" type="v4i"/></union>
<union id="vnh"><field name="f" type="v8f"/><field name="u" type="v8u"/><field name="s" type="v8i"/></union>
<union id="vnb"><field name="u" type="v16u"/><field name="s" type="v16i"/></union>
<union id="vnq"><field name="u" type="v1u"/><field name="s" type="v1i"/></union>
<union id="aarch64v"><field name="d" type="vnd"/><field name="s" type="vns"/><field name="h" type="vnh"/>
<field name="b" type="vnb"/><field name="q" type="vnq"/></union>`;

const numbered = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export const aarch64Features: readonly RegisterFeature[] = [
  {
    name: "org.gnu.gdb.aarch64.core",
    types: CPSR_FLAGS,
    registers: [
      ...numbered(31).map((i) => stored(`x${i}`, gpr(i), 8)),
      stored("sp", gpr(SP), 8, { type: "data_ptr" }),
      programCounter("pc"),
      cpsr,
    ],
  },
  {
    name: "org.gnu.gdb.aarch64.fpu",
    types: VECTOR_TYPES,
    registers: [
      ...numbered(32).map((i) => stored(`v${i}`, vector(i), 16, { type: "aarch64v" })),
      fpsr,
      fpcr,
    ],
  },
  {
    name: "org.gnu.gdb.aarch64.tls",
    registers: [stored("tpidr", TPIDR, 8, { type: "data_ptr", group: "system" })],
  },
];
