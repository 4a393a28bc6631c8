/** What the calls of System V IPC have in common, after ipc/util.c. */
import type { FieldType, Values } from "../../abi/struct.ts";
import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM } from "../../errno.ts";
import {
  type Creation,
  IPC_PRIVATE,
  type IpcObject,
  type IpcTable,
  sequenceOf,
} from "../../ipc/objects.ts";
import type { Call } from "../../syscall.ts";

const IPC_CREAT = 0o1000, IPC_EXCL = 0o2000;
export const IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3;
export const READ = 4, WRITE = 2;

/** struct ipc64_perm, with which the structures of all three kinds begin. */
export const IPC_PERM = {
  key: "i32",
  uid: "u32",
  gid: "u32",
  cuid: "u32",
  cgid: "u32",
  mode: "u32",
  seq: "u16",
  unused: { zero: 22 },
} as const satisfies Record<string, FieldType>;

type IpcPerm = Values<keyof typeof IPC_PERM>;

/** Values of its fields. */
export function permissionsOf(object: IpcObject): Partial<IpcPerm> {
  return {
    key: object.key,
    uid: object.uid,
    gid: object.gid,
    cuid: object.creator.euid,
    cgid: object.creator.egid,
    mode: object.mode,
    seq: sequenceOf(object.identifier),
  };
}

export const now = (call: Call): number => call.kernel.clock.realSeconds;

/**
 * semget, msgget and shmget (ipcget): the object that `key` names, if `check` answers 0 for it, or a
 * new one.
 */
export function getObject<T extends IpcObject>(
  call: Call,
  table: IpcTable<T>,
  key: number,
  flags: number,
  kind: { check(old: T): number; refuse(): number; make(creation: Creation): T },
): number {
  const { credentials, pid } = call.process;
  const old = key === IPC_PRIVATE ? undefined : table.byKey(key);
  if (old !== undefined) {
    const exclusive = IPC_CREAT | IPC_EXCL;
    if ((flags & exclusive) === exclusive) return -EEXIST;
    const unfit = kind.check(old);
    if (unfit < 0) return unfit;
    const wanted = ((flags >> 6) | (flags >> 3) | flags) & 7;
    return old.permits(credentials, wanted) ? old.identifier : -EACCES;
  }
  if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
  const refused = kind.refuse();
  if (refused < 0) return refused;
  const made = table.create((identifier) =>
    kind.make({
      identifier,
      key,
      mode: flags & 0o777,
      creator: credentials,
      creatorPid: pid,
      time: now(call),
    })
  );
  return made === undefined ? -ENOSPC : made.identifier;
}

/**
 * IPC_STAT and its kin: the object of an identifier, or of an index (`byIndex`), and whether the
 * caller may read it unless `anybody` may.
 */
export function readableObject<T extends IpcObject>(
  call: Call,
  table: IpcTable<T>,
  id: number,
  how: { byIndex: boolean; anybody: boolean },
): T | number {
  const object = how.byIndex ? table.byIndex(id) : table.byId(id);
  if (object === undefined) return -EINVAL;
  return how.anybody || object.permits(call.process.credentials, READ) ? object : -EACCES;
}

/** The object of an identifier, which the caller may use as `wanted` says. */
export function usableObject<T extends IpcObject>(
  call: Call,
  table: IpcTable<T>,
  id: number,
  wanted: number,
): T | number {
  const object = table.byId(id);
  if (object === undefined) return -EINVAL;
  return object.permits(call.process.credentials, wanted) ? object : -EACCES;
}

/** The object of an identifier, which the caller may change or remove. */
export function ownObject<T extends IpcObject>(
  call: Call,
  table: IpcTable<T>,
  id: number,
): T | number {
  const object = table.byId(id);
  if (object === undefined) return -EINVAL;
  return object.ownedBy(call.process.credentials) ? object : -EPERM;
}

/** IPC_RMID of an object that goes at once, whoever waits for it. */
export function removeObject<T extends IpcObject & { removed(): void }>(
  call: Call,
  table: IpcTable<T>,
  id: number,
): number {
  const object = ownObject(call, table, id);
  if (typeof object === "number") return object;
  table.delete(object);
  object.removed();
  return 0;
}

/** (uid_t) -1 and (gid_t) -1 */
const NOBODY = 0xffffffff;

/** IPC_SET: owner and mode as given. */
export function setPermissions(call: Call, object: IpcObject, given: IpcPerm): number {
  if (given.uid === NOBODY || given.gid === NOBODY) return -EINVAL;
  object.uid = given.uid;
  object.gid = given.gid;
  object.mode = (object.mode & ~0o777) | (given.mode & 0o777);
  object.changeTime = now(call);
  return 0;
}
