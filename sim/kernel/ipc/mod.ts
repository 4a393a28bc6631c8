/** The System V IPC of one machine. */
import { IpcTable } from "./objects.ts";
import { type MessageQueue, MSGMNI } from "./message_queues.ts";
import { type SemaphoreSet, SEMMNI } from "./semaphores.ts";
import { type Segment, SHMMNI } from "./shared_memory.ts";

export class SystemVIpc {
  readonly segments: IpcTable<Segment> = new IpcTable(SHMMNI);
  readonly semaphores: IpcTable<SemaphoreSet> = new IpcTable(SEMMNI);
  readonly messageQueues: IpcTable<MessageQueue> = new IpcTable(MSGMNI);
}
