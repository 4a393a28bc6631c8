/**
 * Program text on huge pages: ranges of executable file mappings that fill one (2 MiB with base pages of 4 KiB)
 * are brought onto huge pages when they are mapped, as a text remapper in the program would do at its start.
 */
import type { SyscallHooks } from "./kernel/dispatch.ts";
import type { ExecLoader } from "./kernel/exec.ts";
import type { AddressSpace } from "./memory/address_space.ts";
import { PROT_EXEC } from "./memory/abi.ts";
import { Domain } from "./memory/memory.ts";
import { Vm } from "./memory/vma.ts";

/** `loader`, with the text of what it maps promoted. */
export function withHugeText(loader: ExecLoader): ExecLoader {
  return {
    forked: loader.forked?.bind(loader),
    async load(kernel, process, space, program) {
      const image = await loader.load(kernel, process, space, program);
      promoteText(space);
      return image;
    },
  };
}

/** Promotes the text of libraries, too, as the guest's own loader maps them. */
export function promoteMapped(hooks: SyscallHooks): void {
  hooks.on("mmap", {
    exit: ({ space }, [, , protection], result) => {
      if (result > 0 && (protection & PROT_EXEC) !== 0) promoteText(space);
    },
  });
}

/** The page faults of copying are the linker's, who would do it. */
function promoteText(space: AddressSpace): void {
  const { memory } = space;
  const { domain } = memory;
  memory.domain = Domain.Linker;
  for (const area of [...space.areas.items]) {
    if ((area.flags & Vm.Execute) === 0 || area.file === null) continue;
    space.promote(area.start, area.end - area.start);
  }
  memory.domain = domain;
}
