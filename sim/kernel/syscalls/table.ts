/** Every system call's row. A new call is a row in its group's file; a new group is a line here. */
import type { SyscallRow } from "../syscall.ts";
import { attributeRows } from "./attributes.ts";
import { cloneRows } from "./clone.ts";
import { descriptorRows } from "./descriptors.ts";
import { directoryRows } from "./directories.ts";
import { execRows } from "./exec.ts";
import { fileRows } from "./files.ts";
import { futexRows } from "./futex.ts";
import { identityRows } from "./identity.ts";
import { limitRows } from "./limits.ts";
import { machineRows } from "./machine.ts";
import { memoryRows } from "./memory.ts";
import { pollRows } from "./poll.ts";
import { processRows } from "./process_table.ts";
import { schedulingRows } from "./scheduling.ts";
import { signalRows } from "./signals.ts";
import { timeRows } from "./time.ts";
import { timerRows } from "./timers.ts";
import { waitRows } from "./wait.ts";

export const syscallRows: readonly SyscallRow[] = [
  ...attributeRows,
  ...cloneRows,
  ...descriptorRows,
  ...directoryRows,
  ...execRows,
  ...fileRows,
  ...futexRows,
  ...identityRows,
  ...limitRows,
  ...machineRows,
  ...memoryRows,
  ...pollRows,
  ...processRows,
  ...schedulingRows,
  ...signalRows,
  ...timeRows,
  ...timerRows,
  ...waitRows,
];
