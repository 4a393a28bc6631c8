/** `/proc/PID/maps` and `/proc/PID/smaps` as Linux prints them (fs/proc/task_mmu.c). */
import type { AddressSpace } from "./address_space.ts";
import { Pte } from "./entry_format.ts";
import { FrameKind } from "./frames.ts";
import { Vm, type Vma } from "./vma.ts";

const hex = (n: number, width: number): string => n.toString(16).padStart(width, "0");

function areaName(space: AddressSpace, vma: Vma): string {
  if (vma.name !== "") return vma.name;
  if (vma.source !== null) return vma.source.path ?? vma.source.file.path ?? "";
  if (vma.file !== null) return vma.file.file.path ?? "";
  if (vma.huge !== null) return "/anon_hugepage (deleted)";
  if (vma.start <= space.heapEnd && vma.end >= space.heapStart && space.heapEnd > space.heapStart) {
    return "[heap]";
  }
  const { stackStart } = space;
  return stackStart !== 0 && vma.start <= stackStart && vma.end >= stackStart ? "[stack]" : "";
}

/** The line of one area in `/proc/PID/maps`, without its newline. */
function mapsLine(space: AddressSpace, vma: Vma): string {
  const { flags } = vma;
  const file = vma.file?.file;
  const rights = ((flags & Vm.Read) !== 0 ? "r" : "-") + ((flags & Vm.Write) !== 0 ? "w" : "-") +
    ((flags & Vm.Execute) !== 0 ? "x" : "-") + (vma.isPrivate ? "p" : "s");
  const offset = file === undefined ? 0 : vma.pageOffset * space.granule.size;
  const device = `${hex(file?.deviceMajor ?? 0, 2)}:${hex(file?.deviceMinor ?? 0, 2)}`;
  const line = `${hex(vma.start, 8)}-${hex(vma.end, 8)} ${rights} ${hex(offset, 8)} ${device} ` +
    `${file?.inode ?? 0} `;
  const name = areaName(space, vma);
  return name === "" ? line : line.padEnd(73) + name.replaceAll("\n", "\\012");
}

/** The text of `/proc/PID/maps`. */
export function mapsText(space: AddressSpace): string {
  let text = "";
  for (const vma of space.areas.items) text += mapsLine(space, vma) + "\n";
  return text;
}

/** What the pages of an area add up to, in bytes. */
interface Usage {
  resident: number;
  proportional: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  anonymous: number;
  hugeAnonymous: number;
  hugeFile: number;
  hugeShared: number;
  sharedHugetlb: number;
  privateHugetlb: number;
}

const FIELDS: readonly (readonly [string, (usage: Usage) => number])[] = [
  ["Rss", (u) => u.resident],
  ["Pss", (u) => u.proportional],
  ["Pss_Dirty", () => 0],
  ["Shared_Clean", (u) => u.sharedClean],
  ["Shared_Dirty", (u) => u.sharedDirty],
  ["Private_Clean", (u) => u.privateClean],
  ["Private_Dirty", (u) => u.privateDirty],
  ["Referenced", (u) => u.resident],
  ["Anonymous", (u) => u.anonymous],
  ["KSM", () => 0],
  ["LazyFree", () => 0],
  ["AnonHugePages", (u) => u.hugeAnonymous],
  ["ShmemPmdMapped", (u) => u.hugeShared],
  ["FilePmdMapped", (u) => u.hugeFile],
  ["Shared_Hugetlb", (u) => u.sharedHugetlb],
  ["Private_Hugetlb", (u) => u.privateHugetlb],
  ["Swap", () => 0],
  ["SwapPss", () => 0],
  ["Locked", () => 0],
];

/** Measure the pages of `vma`. */
function usageOf(space: AddressSpace, vma: Vma): Usage {
  const { table, memory } = space;
  const { maps, kind } = memory.frames;
  const { size } = space.granule;
  const usage: Usage = {
    resident: 0,
    proportional: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    anonymous: 0,
    hugeAnonymous: 0,
    hugeFile: 0,
    hugeShared: 0,
    sharedHugetlb: 0,
    privateHugetlb: 0,
  };
  for (let va = table.next(vma.start, vma.end); va < vma.end;) {
    const { page, span, flags } = table;
    const first = page / size;
    if (kind[first] === FrameKind.Hugetlb) {
      if (maps[first] > 1) usage.sharedHugetlb += span;
      else usage.privateHugetlb += span;
    } else if (kind[first] !== FrameKind.Reserved) {
      const anonymous = kind[first] === FrameKind.Anonymous;
      if (table.level > 0) {
        if (anonymous) usage.hugeAnonymous += span;
        else if (vma.file?.file.inMemory === true) usage.hugeShared += span;
        else usage.hugeFile += span;
      }
      if (anonymous) usage.anonymous += span;
      usage.resident += span;
      for (let f = first; f < first + span / size; f++) {
        usage.proportional += size / maps[f];
        const dirty = (flags & Pte.Dirty) !== 0;
        if (maps[f] > 1) usage[dirty ? "sharedDirty" : "sharedClean"] += size;
        else usage[dirty ? "privateDirty" : "privateClean"] += size;
      }
    }
    va = table.next(va + span, vma.end);
  }
  return usage;
}

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [Vm.Read, "rd"],
  [Vm.Write, "wr"],
  [Vm.Execute, "ex"],
  [Vm.Shared, "sh"],
  [Vm.MayRead, "mr"],
  [Vm.MayWrite, "mw"],
  [Vm.MayExecute, "me"],
  [Vm.MayShare, "ms"],
  [Vm.GrowsDown, "gd"],
  [Vm.SequentialRead, "sr"],
  [Vm.RandomRead, "rr"],
  [Vm.DontCopy, "dc"],
  [Vm.DontExpand, "de"],
  [Vm.Account, "ac"],
  [Vm.NoReserve, "nr"],
  [Vm.Hugetlb, "ht"],
  [Vm.Guarded, "bt"],
  [Vm.WipeOnFork, "wf"],
  [Vm.DontDump, "dd"],
  [Vm.Huge, "hg"],
  [Vm.NoHuge, "nh"],
];

const kilobytes = (name: string, bytes: number): string =>
  `${(name + ":").padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;

function eligible(space: AddressSpace, vma: Vma): number {
  const { thp } = space.memory;
  if (!vma.isAnonymous || (vma.flags & Vm.NoHuge) !== 0 || thp === "never") return 0;
  if (thp === "madvise" && (vma.flags & Vm.Huge) === 0) return 0;
  const huge = space.granule.hugeSize;
  return Math.ceil(vma.start / huge) * huge + huge <= vma.end ? 1 : 0;
}

/** The text of `/proc/PID/smaps`. */
export function smapsText(space: AddressSpace): string {
  let text = "";
  for (const vma of space.areas.items) {
    const usage = usageOf(space, vma);
    text += mapsLine(space, vma) + "\n";
    text += kilobytes("Size", vma.end - vma.start);
    text += kilobytes("KernelPageSize", 2 ** vma.pageShift);
    text += kilobytes("MMUPageSize", 2 ** vma.pageShift);
    for (const [name, value] of FIELDS) text += kilobytes(name, value(usage));
    text += `THPeligible:    ${String(eligible(space, vma)).padStart(8)}\n`;
    if (space.memory.arch === "x86_64") {
      text += `ProtectionKey:  ${String(vma.key).padStart(8)}\n`;
    }
    const names = FLAG_NAMES.filter(([bit]) => (vma.flags & bit) !== 0).map(([, name]) => name);
    text += `VmFlags: ${names.join(" ")} \n`;
  }
  return text;
}
