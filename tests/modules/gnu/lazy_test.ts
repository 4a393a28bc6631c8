/** Binding at the first call (`lazy`): the same output, slots bound one by one, LD_BIND_NOW obeyed. */
import { assert, assertEquals } from "@std/assert";
import type { Arch, MachineOptions } from "../../../mod.ts";
import { gnu, musl, preload, sysv } from "../../../modules/mod.ts";
import { debianRoot, runIn } from "./gnu_run.ts";

const PROGRAMS: readonly (readonly string[])[] = [
  ["/bin/bash", "-c", "printf '%s %.3f\\n' $((6 * 7)) 2.5; ls /etc | head -2 | tr a-z A-Z"],
  ["/usr/bin/python3", "-c", "import math, sqlite3; print(math.sin(1), sqlite3.sqlite_version)"],
];

const modules = [preload(), sysv(), musl(), gnu({ lazy: true })];

/** How many slots of its PLT readelf sees. */
async function slotsOf(library: string): Promise<number> {
  const { stdout } = await new Deno.Command("readelf", { args: ["-rW", library] }).output();
  return new TextDecoder().decode(stdout).split("JUMP_SLO").length - 1;
}

for (const suite of ["bookworm", "bullseye", "trixie"]) {
  for (const arch of ["x86_64", "aarch64"] as Arch[]) {
    const root = debianRoot(suite, arch);
    const skipped = root === undefined ? ` (skipped: needs the root of ${suite})` : "";
    const run = async (argv: readonly string[], options: MachineOptions) => {
      const { counters, ...outcome } = await runIn(root!, argv, options);
      const waiting = counters["linker.relocations.lazy"] ?? 0;
      return { outcome, waiting, patches: counters["linker.patches"] };
    };
    if (suite !== "bookworm" && arch === "aarch64") continue;
    for (
      const argv of suite === "bookworm" && arch === "x86_64" ? PROGRAMS : PROGRAMS.slice(0, 1)
    ) {
      Deno.test({
        name: `${argv[0]} of ${suite} on ${arch}, bound at first calls${skipped}`,
        ignore: root === undefined,
        fn: async () => {
          const guest = await run(argv, { linker: "guest" });
          const lazy = await run(argv, { modules });
          assertEquals(lazy.outcome, guest.outcome);
          const now = await run(argv, { modules, env: { LD_BIND_NOW: "1" } });
          assertEquals(now.outcome, guest.outcome);
          assertEquals(now.waiting, 0);
          // Trixie's programs for x86_64 are linked to bind at once, but for one library of ls.
          if (suite === "trixie" && arch === "x86_64") {
            const library = `${root}/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0`;
            return assertEquals(lazy.waiting, await slotsOf(library));
          }
          // More slots wait than are ever called, and each that is called is written once.
          assert(lazy.waiting > lazy.patches - now.patches);
          assert(lazy.patches > now.patches);
        },
      });
    }
  }
}
