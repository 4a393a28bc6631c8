/** Every system call's row. A new call is a row in its group's file; a new group is a line here. */
import type { SyscallRow } from "../syscall.ts";
import { aioRows } from "./aio.ts";
import { attributeRows } from "./attributes.ts";
import { descriptorRows } from "./descriptors.ts";
import { directoryRows } from "./directories.ts";
import { eventRows } from "./event_files.ts";
import { kcmpRows } from "./kcmp.ts";
import { lockRows } from "./file_locks.ts";
import { fileTimeRows } from "./file_times.ts";
import { fileHandleRows } from "./file_handles.ts";
import { fileRows } from "./files.ts";
import { inotifyRows } from "./inotify.ts";
import { memfdRows } from "./memfd.ts";
import { pipeRows } from "./pipes.ts";
import { pollRows } from "./poll.ts";
import { processRows } from "./process_table.ts";
import { socketRows } from "./sockets.ts";
import { transferRows } from "./transfers.ts";

export const syscallRows: readonly SyscallRow[] = [
  ...processRows,
  ...aioRows,
  ...attributeRows,
  ...descriptorRows,
  ...directoryRows,
  ...eventRows,
  ...fileHandleRows,
  ...fileRows,
  ...fileTimeRows,
  ...inotifyRows,
  ...kcmpRows,
  ...lockRows,
  ...memfdRows,
  ...pipeRows,
  ...pollRows,
  ...socketRows,
  ...transferRows,
];
