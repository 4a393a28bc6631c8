import { assert, assertEquals } from "@std/assert";
import { Machine } from "../../sim/machine.ts";
import type { MachineOptions } from "../../sim/machine/options.ts";
import type { Result } from "../../sim/machine/result.ts";
import { available, capture } from "../../scripts/tools/command.ts";
import { hasRoot, worldOf } from "../../scripts/tools/conformance/suite.ts";

const project = new URL("../..", import.meta.url).pathname;

async function run(argv: string[], options: MachineOptions): Promise<[Result, string]> {
  let stdout = "";
  const decoder = new TextDecoder();
  const machine = await Machine.create({
    ...options,
    linker: "guest",
    streams: {
      stdin: { read: () => 0 },
      stdout: { write: (bytes) => stdout += decoder.decode(bytes, { stream: true }) },
      stderr: { write: () => {} },
    },
  });
  return [await machine.run(argv), stdout];
}

const forks = (count: number) => [
  ...["/bin/dash", "-c"],
  `i=0; while [ $i -lt ${count} ]; do /bin/true || exit 9; i=$((i + 1)); done; echo $i`,
];

for (const architecture of ["amd64", "arm64"]) {
  const world = worldOf(architecture);
  const { root } = world;
  const ignore = !await hasRoot(world);
  const skipped = ignore ? ` (skipped: needs the bookworm-${architecture} root)` : "";

  Deno.test({
    name: `two runs count the same with a modelled core on ${architecture}${skipped}`,
    ignore,
    fn: async () => {
      const script = "for i in 1 2 3; do echo $i; done | sort -r | sha256sum & wait; ls /";
      const argv = ["/bin/bash", "-c", script];
      const [first, said] = await run(argv, { root, cpu: "reference" });
      const [second, saidAgain] = await run(argv, { root, cpu: "reference" });
      assertEquals(saidAgain, said);
      assertEquals(second.counters, first.counters);
      assert(first.counters["walks"] > 0);
      // Promotion to the hot tier is invisible to the model.
      const [hot] = await run(argv, { root, cpu: "reference", heat: 20 });
      assertEquals(hot.counters, first.counters);
    },
  });

  Deno.test({
    name: `lscpu finds one processor on one node on ${architecture}${skipped}`,
    ignore,
    fn: async () => {
      const [{ exit }, said] = await run(["/usr/bin/lscpu", "--json"], { root });
      assertEquals(exit, 0);
      const facts = new Map<string, string>();
      const collect = (rows: { field: string; data: string; children?: [] }[]): void => {
        for (const { field, data, children } of rows) {
          facts.set(field, data);
          collect(children ?? []);
        }
      };
      collect(JSON.parse(said).lscpu);
      const of = (name: string): string | undefined => facts.get(name);
      assertEquals([of("CPU(s):"), of("On-line CPU(s) list:")], ["1", "0"]);
      assertEquals([of("NUMA node(s):"), of("NUMA node0 CPU(s):")], ["1", "0"]);
      assertEquals(of("Thread(s) per core:"), "1");
    },
  });

  Deno.test({
    name: `forks of one program translate nothing after the first on ${architecture}${skipped}`,
    ignore,
    fn: async () => {
      // Both counts have two digits, so that the shell's own code is the same.
      const [few, fewSaid] = await run(forks(12), { root, heat: Infinity });
      const [many, manySaid] = await run(forks(99), { root, heat: Infinity });
      assertEquals([fewSaid, manySaid], ["12\n", "99\n"]);
      assertEquals(many.counters.processes, 100);
      // A quantum's end may split a few blocks more.
      const added = Number(many.execution.blocks) - Number(few.execution.blocks);
      assert(added < 10, `${added} blocks added to ${few.execution.blocks}`);
    },
  });

  const timed = await available("/usr/bin/time");
  Deno.test({
    name: `python3 -c 'print(1)' needs less than 400 MB on ${architecture}` +
      (skipped || (timed ? "" : " (skipped: needs /usr/bin/time)")),
    ignore: ignore || !timed,
    fn: async () => {
      const command = [Deno.execPath(), "run", "-A", "--no-check", `${project}mod.ts`, "run"];
      const program = ["--root", root, "--linker", "guest", "--", "python3", "-c", "print(1)"];
      const done = await capture(["/usr/bin/time", "-f", "peak %M", ...command, ...program]);
      assertEquals(new TextDecoder().decode(done.stdout), "1\n");
      const kilobytes = Number(/peak (\d+)/.exec(done.stderr)?.[1]);
      assert(kilobytes < 400_000, `${kilobytes} kB`);
    },
  });
}
