/** Instructions as text, from the decode rows that execute them. */
import type { AArch64Row } from "../cpu/aarch64/row.ts";
import { fieldsOf } from "../cpu/aarch64/pattern.ts";
import { Decoded, type Isa } from "../cpu/ir/decoded.ts";
import type { Encoding } from "../cpu/x86_64/row.ts";
import { x86Text } from "./disassemble_x86_64.ts";

const decoded = new Decoded();

/**
 * The instruction in `bytes` at guest address `pc`. x86_64 is written as Intel does. Of aarch64 the row's name is
 * given, which may be that of several instructions, and the encoding's fields, by which the manual tells them
 * apart; and where a branch goes.
 */
export function instructionText(isa: Isa, bytes: Uint8Array, pc: number): string {
  if (!isa.decode(bytes, 0, bytes.length, pc, decoded)) return "(cut off)";
  const row = isa.rows[decoded.row];
  if (isa.arch === "x86_64") return x86Text(row as Encoding, decoded, bytes);
  return armText(row as AArch64Row, decoded, bytes);
}

function armText({ name, pattern }: AArch64Row, { target }: Decoded, bytes: Uint8Array): string {
  const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const fields = Object.entries(fieldsOf(pattern)).map(([field, place]) =>
    `${field}=${place.of(word)}`
  );
  const to = target === 0 ? [] : [`0x${target.toString(16)}`];
  return [name.toLowerCase(), ...fields, ...to].join(" ");
}
