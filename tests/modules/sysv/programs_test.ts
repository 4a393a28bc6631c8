/**
 * Programs linked by the modular linker and run on the real processor (x86_64) or under qemu-user
 * (aarch64), with no loader of the host's in the process.
 */
import { assertEquals } from "@std/assert";
import { type Architecture, Linker } from "../../../lib/linker/mod.ts";
import { linux } from "../../../modules/mod.ts";
import expected from "../../guests/expected.json" with { type: "json" };
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { ImageRunner, missingTools } from "./native_run.ts";

const guests = new URL("../../guests/prebuilt/", import.meta.url).pathname;

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingTools(arch);
  const skipped = missing.length > 0 ? ` (skipped: needs ${missing.join(", ")})` : "";

  for (const program of ["many/many", "many/many_fixed"]) {
    Deno.test({
      name: `${program} of 27 libraries runs on ${arch}${skipped}`,
      ignore: missing.length > 0,
      fn: async () => {
        using runner = new ImageRunner(arch);
        const path = `${guests}${arch}/${program}`;
        const target = new MemoryTarget(arch, { call: runner.call });
        const { start } = await new Linker(target, { modules: linux() }).link(path);
        const cases = expected.filter((entry) => entry.program === program);
        for (const { args, exit, stdout } of cases) {
          const run = runner.run(target, start, [path, ...args]);
          assertEquals(run, { code: exit, stdout, stderr: "" });
        }
        assertEquals(cases.length > 0, true);
      },
    });
  }
}
