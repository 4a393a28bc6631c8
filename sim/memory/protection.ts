/** mprotect(2) and pkey_mprotect(2), after Linux's mm/mprotect.c. */
import {
  EACCES,
  EINVAL,
  ENOMEM,
  PROT_BTI,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
} from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import { Pte } from "./entry_format.ts";
import { FrameKind } from "./frames.ts";
import { accessFlags, overcommits } from "./mapping.ts";
import { readFlags } from "./page_fault.ts";
import { Vm, VM_ACCESS, type Vma } from "./vma.ts";
import { mayExpand } from "./size_limits.ts";
import { modify } from "./vma_merge.ts";

export function mprotect(
  space: AddressSpace,
  address: number,
  length: number,
  prot: number,
  key: number,
): number {
  const down = (prot & PROT_GROWSDOWN) !== 0;
  if (down && (prot & PROT_GROWSUP) !== 0) return -EINVAL;
  prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if (address % space.granule.size !== 0) return -EINVAL;
  if (length === 0) return 0;
  const end = address + space.granule.pageUp(length);
  if (end >= 2 ** 64) return -ENOMEM;
  const permitted = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM |
    (space.memory.arch === "aarch64" ? PROT_BTI : 0);
  if ((prot & ~permitted) !== 0) return -EINVAL;
  if (key < -1 || key > 15) return -EINVAL;

  const { areas } = space;
  let i = areas.indexOf(address);
  let vma = areas.items[i];
  if (vma === undefined) return -ENOMEM;
  let start = address;
  if (down) {
    if (vma.start >= end) return -ENOMEM;
    start = vma.start;
    if ((vma.flags & Vm.GrowsDown) === 0) return -EINVAL;
  } else if (vma.start > start) return -ENOMEM;

  while (start < end) {
    i = areas.indexOf(start);
    vma = areas.items[i];
    if (vma === undefined || vma.start > start) return -ENOMEM;
    const flags = vma.flags & ~(VM_ACCESS | Vm.Guarded) | accessFlags(space, prot);
    // The MAY bits lie four above the access bits.
    if ((flags & ~(flags >> 4) & VM_ACCESS) !== 0) return -EACCES;
    const to = Math.min(vma.end, end);
    const failed = protect(space, vma, start, to, flags, key < 0 ? vma.key : key);
    if (failed < 0) return failed;
    start = to;
  }
  return 0;
}

function protect(
  space: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  flags: number,
  key: number,
): number {
  if (flags === vma.flags && key === vma.key) return 0;
  if ((flags & Vm.Write) !== 0) {
    const pages = (end - start) / space.granule.size;
    if (!mayExpand(space, flags, pages) && mayExpand(space, vma.flags, pages)) return -ENOMEM;
    const counted = Vm.Account | Vm.Write | Vm.Hugetlb | Vm.Shared | Vm.NoReserve;
    if ((vma.flags & counted) === 0) {
      if (overcommits(space, end - start)) return -ENOMEM;
      flags |= Vm.Account;
    }
  } else if ((vma.flags & Vm.Account) !== 0 && vma.isAnonymous && vma.anonymous === null) {
    flags &= ~Vm.Account;
  }
  const code = ((vma.flags | flags) & Vm.Execute) !== 0;
  const changed = modify(space, vma, start, end, flags, key);
  if (typeof changed === "number") return changed;
  rewriteLeaves(space, changed, start, end, code);
  return 0;
}

/** Give the pages of `[start, end)` the rights of `vma`. Only pages that no write need see become writable. */
function rewriteLeaves(
  space: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  code: boolean,
): void {
  const { table } = space;
  const { kind } = space.memory.frames;
  const base = readFlags(vma);
  let va = table.next(start, end);
  if (va === end) return;
  space.memory.observer.shootdown(space, start, end - start, code);
  while (va < end) {
    let flags = base | table.flags & Pte.Dirty;
    if ((vma.flags & Vm.Write) !== 0 && (flags & Pte.Dirty) !== 0) {
      const fileShared = !vma.isPrivate &&
        kind[table.page / space.granule.size] !== FrameKind.Anonymous;
      if (fileShared || space.ownsLeaf()) flags = flags & ~Pte.Cow | Pte.Write;
    }
    table.setFlags(flags);
    va = table.next(va + table.span, end);
  }
}
