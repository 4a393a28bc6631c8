// iFed's three modes, for both architectures, on an embedded program or on one of your own roots:
//   deno run -A scripts/experiments/ifed.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import { ifed, linux, type Module, preset, sweep, weak } from "../../mod.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const [x86_64, aarch64, ...program] = await argumentsOf(import.meta.url);
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const machine = { root, cpu: preset(arch === "x86_64" ? "skylake-sp" : "neoverse-n1") };
  let objects = 0;
  const audit: Module = { name: "audit", register: () => ({ load: weak(() => void objects++) }) };
  const { table } = await sweep({
    argv: program.length > 0 ? program : ["/many/many"],
    machines: {
      base: { ...machine, modules: [...linux(), audit] },
      align: { ...machine, modules: [...linux(), ifed.align()] },
      concatenate: { ...machine, modules: [...linux(), ifed.concatenate()] },
      eliminateBranches: { ...machine, modules: [...linux(), ifed.eliminateBranches()] },
      both: { ...machine, modules: [...linux(), ifed.concatenate(), ifed.eliminateBranches()] },
    },
    progress: (name) => console.error(`${arch}: ${name}`),
  });
  console.log(`${arch}, ${machine.cpu.name}, ${objects} objects\n${table()}\n`);
}
