/**
 * Isthmus: a modular dynamic linker for Linux ELF programs, and a simulated computer to run and
 * measure them on. Importing this file gives the scripting interface and loads no third-party code;
 * running it is the command line.
 */
export {
  Machine,
  MachineError,
  type MachineOptions,
  type MountOption,
  type Result,
} from "./sim/machine.ts";
export { type Preset, preset, presets } from "./sim/models/preset.ts";

if (import.meta.main) {
  const { main } = await import("./scripts/cli/main.ts");
  Deno.exit(await main(Deno.args));
}
