/**
 * Levels of the architecture (x86-64 psABI, section 3.1.1): which rows a processor of a level has.
 */
import type { Encoding } from "./row.ts";

/** x86-64-v1, v2 or v3. */
export type Level = 1 | 2 | 3;

/** Instructions of SSE3, SSE4.2, POPCNT and LAHF outside the opcode maps 0F38 and 0F3A. */
const SECOND = new Set(
  ("addsubpd addsubps haddpd haddps hsubpd hsubps lddqu movddup movshdup movsldup fisttp popcnt " +
    "lahf sahf").split(" "),
);

/** The lowest level that has `row`, one of those that level 3 shares with level 2. */
export function levelOf(row: Encoding): 1 | 2 {
  return row.map >= 2 || SECOND.has(row.name.split(" ")[0]) ? 2 : 1;
}
