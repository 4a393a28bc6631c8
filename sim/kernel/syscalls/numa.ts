/**
 * Memory policies, on a machine of one node: they are judged and a thread's is kept, and all memory is on
 * node 0 whatever they say (include/uapi/linux/mempolicy.h, mm/mempolicy.c, mm/migrate.c).
 */
import { EFAULT, EINVAL, ENODEV, ENOENT, EPERM, ESRCH } from "../errno.ts";
import { DEFAULT_MEMORY_POLICY, type MemoryPolicy } from "../memory_policy.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { mayTrace } from "./tracing.ts";

const MPOL_DEFAULT = 0, MPOL_PREFERRED = 1, MPOL_INTERLEAVE = 3, MPOL_LOCAL = 4, MPOL_MAX = 6;
const MPOL_F_STATIC_NODES = 1 << 15, MPOL_F_RELATIVE_NODES = 1 << 14;
const MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | 1 << 13;
const MPOL_F_NODE = 1, MPOL_F_ADDR = 2, MPOL_F_MEMS_ALLOWED = 4;
const MPOL_MF_STRICT = 1, MPOL_MF_MOVE = 2, MPOL_MF_MOVE_ALL = 4;
/** Nodes that a mask has room for (CONFIG_NODES_SHIFT of Debian's kernels: 10). */
const MAX_NODES = 1024;
/** The nodes there are, as a mask. */
const NODES = 1;

/** Read a mask of nodes: whether it has node 0, and whether others; or -errno (get_nodes). */
function readNodes(
  call: Call,
  at: number,
  limit: number,
): { readonly first: boolean; readonly others: boolean } | number {
  const bits = limit - 1;
  if (at === 0 || bits <= 0) return { first: false, others: false };
  if (bits > call.space.granule.size * 8) return -EINVAL;
  const bytes = new Uint8Array(Math.ceil(bits / 64) * 8);
  if (call.space.copyIn(at, bytes) < 0) return -EFAULT;
  let others = false;
  for (let bit = 1; bit < bits; bit++) {
    if ((bytes[bit >> 3] >> (bit & 7) & 1) === 0) continue;
    if (bit >= MAX_NODES) return -EINVAL;
    others = true;
  }
  return { first: (bytes[0] & 1) !== 0, others };
}

/** Write the mask `nodes` into room for `limit` nodes (copy_nodes_to_user). */
function writeNodes(call: Call, at: number, limit: number, nodes: number): number {
  const size = Math.max(0, Math.ceil((limit - 1) / 64) * 8);
  if (size > call.space.granule.size) return -EINVAL;
  const bytes = new Uint8Array(size);
  if (size > 0) bytes[0] = nodes;
  return call.space.copyOut(at, bytes) < 0 ? -EFAULT : 0;
}

/** A policy of the arguments that set_mempolicy and mbind share, or -errno (mpol_new). */
function readPolicy(call: Call, mode: number, at: number, limit: number): MemoryPolicy | number {
  const flags = mode & MODE_FLAGS;
  const kind = mode & ~MODE_FLAGS;
  const placed = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);
  if (kind < 0 || kind >= MPOL_MAX) return -EINVAL;
  if (placed === (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) return -EINVAL;
  const nodes = readNodes(call, at, limit);
  if (typeof nodes === "number") return nodes;
  const empty = !nodes.first && !nodes.others;
  if (kind === MPOL_DEFAULT) return empty ? DEFAULT_MEMORY_POLICY : -EINVAL;
  if (kind === MPOL_LOCAL || kind === MPOL_PREFERRED && empty) {
    return empty && placed === 0 ? { mode: MPOL_LOCAL, nodes: 0 } : -EINVAL;
  }
  return nodes.first ? { mode: kind | flags, nodes: NODES } : -EINVAL;
}

function setMempolicy(call: Call, mode: number, at: number, limit: number): number {
  const policy = readPolicy(call, mode, at, limit);
  if (typeof policy === "number") return policy;
  call.thread.memoryPolicy = policy;
  return 0;
}

/** The node of the page at `address`, which is made if it is not there; or -errno. */
function nodeAt(call: Call, address: number): number {
  return call.space.copyIn(address, new Uint8Array(1)) < 0 ? -EFAULT : 0;
}

function getMempolicy(
  call: Call,
  to: number,
  at: number,
  limit: number,
  address: number,
  flags: number,
): number {
  const { space, thread } = call;
  if (flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) return -EINVAL;
  let { mode, nodes }: MemoryPolicy = thread.memoryPolicy;
  if (flags & MPOL_F_MEMS_ALLOWED) {
    if (flags & (MPOL_F_NODE | MPOL_F_ADDR)) return -EINVAL;
    [mode, nodes] = [0, NODES];
  } else if (flags & MPOL_F_ADDR) {
    if (space.areas.lookup(address) === null) return -EFAULT;
    if (flags & MPOL_F_NODE) mode = nodeAt(call, address);
    if (mode < 0) return mode;
  } else {
    if (address !== 0) return -EINVAL;
    if (flags & MPOL_F_NODE) {
      if ((mode & ~MODE_FLAGS) !== MPOL_INTERLEAVE) return -EINVAL;
      mode = 0;
    }
  }
  if (to !== 0 && space.writeU32(to, mode) < 0) return -EFAULT;
  return at === 0 ? 0 : writeNodes(call, at, limit, nodes);
}

function mbind(
  call: Call,
  start: number,
  length: number,
  mode: number,
  at: number,
  limit: number,
  flags: number,
): number {
  const { space, process } = call;
  const policy = readPolicy(call, mode, at, limit);
  if (typeof policy === "number" && policy === -EFAULT) return policy;
  if (flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) return -EINVAL;
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && process.credentials.euid !== 0) return -EPERM;
  if (start % space.granule.size !== 0) return -EINVAL;
  if (typeof policy === "number") return policy;
  const end = start + space.granule.pageUp(length);
  for (let va = start; va < end;) {
    const area = space.areas.lookup(va);
    if (area === null) return -EFAULT;
    va = area.end;
  }
  return 0;
}

/** The process of thread `tid`, whose pages the caller may move; or -errno. */
function movable(call: Call, tid: number): Thread | number {
  const thread = tid === 0 ? call.thread : call.kernel.threads.get(tid);
  if (thread === undefined) return -ESRCH;
  return mayTrace(call, thread.process) ? thread : -EPERM;
}

/** Where pages are: 0, -ENOENT for one that is not there, -EFAULT where nothing is mapped. */
function movePages(
  call: Call,
  pid: number,
  count: number,
  pages: number,
  nodes: number,
  status: number,
  flags: number,
): number {
  const { space, process } = call;
  if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) return -EINVAL;
  if ((flags & MPOL_MF_MOVE_ALL) !== 0 && process.credentials.euid !== 0) return -EPERM;
  const thread = movable(call, pid);
  if (typeof thread === "number") return thread;
  const other = thread.process.space.value;
  for (let i = 0; i < count; i++) {
    const page = space.readU64(pages + 8 * i);
    const node = nodes === 0 ? 0 : space.readU32(nodes + 4 * i);
    if (page < 0 || node < 0) return -EFAULT;
    if (node !== 0) return -ENODEV;
    const here = other.areas.lookup(page) === null ? -EFAULT : other.table.find(page) ? 0 : -ENOENT;
    if (space.writeU32(status + 4 * i, here >>> 0) < 0) return -EFAULT;
  }
  return 0;
}

function migratePages(call: Call, pid: number, limit: number, from: number, to: number): number {
  for (const at of [from, to]) {
    const nodes = readNodes(call, at, limit);
    if (typeof nodes === "number") return nodes;
    if (at === to && !nodes.first) return -EINVAL;
  }
  const thread = movable(call, pid);
  return typeof thread === "number" ? thread : 0;
}

export const numaRows: readonly SyscallRow[] = [
  {
    name: "mbind",
    x86_64: 237,
    aarch64: 235,
    args: ["ptr", "size", "int", "ptr", "size", "uint"],
    run: mbind,
    support: "partial: the policy is judged and not kept; there is one memory node",
  },
  {
    name: "set_mempolicy",
    x86_64: 238,
    aarch64: 237,
    args: ["int", "ptr", "size"],
    run: setMempolicy,
  },
  {
    name: "get_mempolicy",
    x86_64: 239,
    aarch64: 236,
    args: ["ptr", "ptr", "size", "ptr", "uint"],
    run: getMempolicy,
    support: "partial: an address has its thread's policy",
  },
  {
    name: "migrate_pages",
    x86_64: 256,
    aarch64: 238,
    args: ["int", "size", "ptr", "ptr"],
    run: migratePages,
  },
  {
    name: "move_pages",
    x86_64: 279,
    aarch64: 239,
    args: ["int", "size", "ptr", "ptr", "ptr", "uint"],
    run: movePages,
  },
];
