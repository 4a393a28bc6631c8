/** Every system call's row. A new call is a row in its group's file; a new group is a line here. */
import type { SyscallRow } from "../syscall.ts";
import { attributeRows } from "./attributes.ts";
import { descriptorRows } from "./descriptors.ts";
import { directoryRows } from "./directories.ts";
import { fileRows } from "./files.ts";
import { pollRows } from "./poll.ts";
import { processRows } from "./process_table.ts";
import { socketRows } from "./sockets.ts";

export const syscallRows: readonly SyscallRow[] = [
  ...processRows,
  ...attributeRows,
  ...descriptorRows,
  ...directoryRows,
  ...fileRows,
  ...pollRows,
  ...socketRows,
];
