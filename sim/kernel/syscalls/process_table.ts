/** The rows of the process side: everything but files, directories, descriptors, polling, sockets. */
import type { SyscallRow } from "../syscall.ts";
import { cloneRows } from "./clone.ts";
import { execRows } from "./exec.ts";
import { futexRows } from "./futex.ts";
import { futexVectorRows } from "./futex_vector.ts";
import { identityRows } from "./identity.ts";
import { limitRows } from "./limits.ts";
import { machineRows } from "./machine.ts";
import { memoryRows } from "./memory.ts";
import { numaRows } from "./numa.ts";
import { pidfdRows } from "./pidfd.ts";
import { processAdviceRows } from "./process_advice.ts";
import { protectionKeyRows } from "./protection_keys.ts";
import { schedulingRows } from "./scheduling.ts";
import { seccompRows } from "./seccomp.ts";
import { messageQueueRows } from "./ipc/message_queues.ts";
import { posixQueueRows } from "./ipc/posix_queues.ts";
import { semaphoreRows } from "./ipc/semaphores.ts";
import { sharedMemoryRows } from "./ipc/shared_memory.ts";
import { signalRows } from "./signals.ts";
import { timeRows } from "./time.ts";
import { timerRows } from "./timers.ts";
import { unshareRows } from "./unshare.ts";
import { waitRows } from "./wait.ts";

export const processRows: readonly SyscallRow[] = [
  ...cloneRows,
  ...unshareRows,
  ...execRows,
  ...waitRows,
  ...pidfdRows,
  ...signalRows,
  ...futexRows,
  ...futexVectorRows,
  ...timeRows,
  ...timerRows,
  ...memoryRows,
  ...numaRows,
  ...processAdviceRows,
  ...sharedMemoryRows,
  ...semaphoreRows,
  ...messageQueueRows,
  ...posixQueueRows,
  ...protectionKeyRows,
  ...identityRows,
  ...limitRows,
  ...schedulingRows,
  ...machineRows,
  ...seccompRows,
];
