/** gdb's `monitor` commands: what the machine knows and gdb has no words for. */
import type { Kernel } from "../kernel/kernel.ts";
import { mapsText } from "../memory/proc_maps.ts";

const HELP = `monitor instructions  instructions retired so far, of each thread and of the machine
monitor maps          the current process's memory, as /proc/PID/maps shows it
`;

/** The answer to `command`, several lines; undefined if there is none of that name. */
export function monitor(kernel: Kernel, command: string): string | undefined {
  switch (command.trim()) {
    case "":
    case "help":
      return HELP;
    case "instructions": {
      const threads = [...kernel.threads.values()];
      const lines = threads.map(({ tid, name, retired }) => `thread ${tid} (${name}): ${retired}`);
      return [...lines, `machine: ${kernel.instructions}`, ""].join("\n");
    }
    case "maps":
      return kernel.current === null ? undefined : mapsText(kernel.current.process.space.value);
  }
}
