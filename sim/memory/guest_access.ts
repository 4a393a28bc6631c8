/**
 * Copies between the host and guest memory. They take the same page faults as the guest's own loads
 * and stores, on the kernel's account unless the linker is at work.
 */
import { Access } from "../cpu/cpu.ts";
import { EFAULT, ENAMETOOLONG, FAULT_MAPERR } from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import { Domain } from "./memory.ts";
import { populate } from "./page_fault.ts";

/** Resolve for the host, on its own account. */
function reach(space: AddressSpace, va: number, access: Access): number {
  const { memory } = space;
  const domain = memory.domain;
  if (domain === Domain.Program) memory.domain = Domain.Kernel;
  const fault = space.resolve(va, access);
  memory.domain = domain;
  return fault;
}

/** Make the page of `va` private and present, whatever the guest may do with it. */
function reachForced(space: AddressSpace, va: number): number {
  const vma = space.areas.lookup(va);
  if (vma === null) return FAULT_MAPERR;
  if (!vma.isPrivate) return reach(space, va, Access.Write);
  const { memory, table, resolved } = space;
  const domain = memory.domain;
  if (domain === Domain.Program) memory.domain = Domain.Kernel;
  const owned = table.find(va) && space.ownsLeaf();
  const fault = owned ? 0 : populate(space, vma, va, true);
  memory.domain = domain;
  if (fault !== 0 || !table.find(va)) return fault || FAULT_MAPERR;
  resolved.physical = table.page + va % table.span;
  return 0;
}

export function copyIn(space: AddressSpace, va: number, into: Uint8Array): number {
  const { u8 } = space.memory.physical;
  const page = space.granule.size;
  const size = into.length;
  let done = 0;
  space.copied = 0;
  while (done < size) {
    const at = va + done;
    if (reach(space, at, Access.Read) !== 0) return -EFAULT;
    const length = Math.min(size - done, page - at % page);
    const from = space.resolved.physical;
    into.set(u8.subarray(from, from + length), done);
    done += length;
    space.copied = done;
  }
  return 0;
}

export function copyOut(
  space: AddressSpace,
  va: number,
  bytes: Uint8Array,
  force: boolean,
): number {
  const { physical, observer } = space.memory;
  const page = space.granule.size;
  const size = bytes.length;
  let done = 0;
  space.copied = 0;
  while (done < size) {
    const at = va + done;
    const fault = force ? reachForced(space, at) : reach(space, at, Access.Write);
    if (fault !== 0) return -EFAULT;
    const length = Math.min(size - done, page - at % page);
    const to = space.resolved.physical;
    physical.u8.set(bytes.subarray(done, done + length), to);
    observer.frameWritten(to, length);
    done += length;
    space.copied = done;
  }
  return 0;
}

export function clear(space: AddressSpace, va: number, length: number): number {
  const { physical, observer } = space.memory;
  const page = space.granule.size;
  for (let done = 0; done < length;) {
    const at = va + done;
    if (reach(space, at, Access.Write) !== 0) return -EFAULT;
    const count = Math.min(length - done, page - at % page);
    const to = space.resolved.physical;
    physical.u8.fill(0, to, to + count);
    observer.frameWritten(to, count);
    done += count;
  }
  return 0;
}

export function readCBytes(space: AddressSpace, va: number, max: number): Uint8Array | number {
  const { u8 } = space.memory.physical;
  const page = space.granule.size;
  const parts: Uint8Array[] = [];
  for (let done = 0; done < max;) {
    const at = va + done;
    if (reach(space, at, Access.Read) !== 0) return -EFAULT;
    const from = space.resolved.physical;
    const length = Math.min(max - done, page - at % page);
    const bytes = u8.subarray(from, from + length);
    const end = bytes.indexOf(0);
    if (end >= 0) {
      if (parts.length === 0) return bytes.slice(0, end);
      return join(parts, bytes.subarray(0, end), done + end);
    }
    parts.push(bytes.slice());
    done += length;
  }
  return -ENAMETOOLONG;
}

function join(parts: Uint8Array[], last: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  result.set(last, at);
  return result;
}

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);
const scratchOf = [0, 1, 2, 4, 8].map((size) => scratchBytes.subarray(0, size));
const sized = (size: 1 | 2 | 4 | 8): Uint8Array =>
  scratchOf[size === 8 ? 4 : size === 4 ? 3 : size];

export function readNumber(space: AddressSpace, va: number, size: 1 | 2 | 4 | 8): number {
  if (copyIn(space, va, sized(size)) !== 0) return -EFAULT;
  switch (size) {
    case 1:
      return scratch.getUint8(0);
    case 2:
      return scratch.getUint16(0, true);
    case 4:
      return scratch.getUint32(0, true);
    case 8:
      return scratch.getUint32(4, true) * 2 ** 32 + scratch.getUint32(0, true);
  }
}

export function writeNumber(
  space: AddressSpace,
  va: number,
  size: 1 | 2 | 4 | 8,
  value: number,
): number {
  // setUint32 takes a number modulo 2^32, exactly below 2^53.
  scratch.setUint32(0, value, true);
  scratch.setUint32(4, Math.floor(value / 2 ** 32), true);
  return copyOut(space, va, sized(size), false);
}

export function readBig(space: AddressSpace, va: number): bigint {
  return copyIn(space, va, sized(8)) !== 0 ? BigInt(-EFAULT) : scratch.getBigUint64(0, true);
}

export function writeBig(space: AddressSpace, va: number, value: bigint): number {
  scratch.setBigUint64(0, value, true);
  return copyOut(space, va, sized(8), false);
}
