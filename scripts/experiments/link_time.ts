// What linking a program costs the host, by the modular linker and by glibc's ld.so inside the machine, all
// symbols bound before the start: CPU seconds from the machine's start to the program's entry point.
//   deno run -A scripts/experiments/link_time.ts [--runs N] ROOT PROGRAM [ARGS…]
import { cpuUsage } from "node:process";
import { audit, BytesInput, CapturedOutput, linux, Machine } from "../../mod.ts";

const runs = Deno.args[0] === "--runs" ? Number(Deno.args[1]) : 3;
const [root, ...argv] = Deno.args.slice(Deno.args[0] === "--runs" ? 2 : 0);
if (argv.length === 0) {
  console.error("usage: link_time.ts [--runs N] ROOT PROGRAM [ARGS…]");
  Deno.exit(2);
}

interface Link {
  readonly seconds: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** Runs the program; `watch` is given what to call when it is linked. */
async function time(
  watch: (linked: () => void) => Parameters<typeof Machine.create>[0],
  prepare: (machine: Machine, linked: () => void) => void = () => {},
): Promise<Link> {
  let seconds: number | undefined;
  let begun = cpuUsage();
  const linked = () => {
    const { user, system } = cpuUsage(begun);
    seconds ??= (user + system) / 1e6;
  };
  const streams = {
    stdin: new BytesInput(),
    stdout: new CapturedOutput(),
    stderr: new CapturedOutput(),
  };
  const env = { LD_BIND_NOW: "1" };
  const machine = await Machine.create({ root, env, streams, ...watch(linked) });
  prepare(machine, linked);
  begun = cpuUsage();
  const { counters } = await machine.run(argv);
  if (seconds === undefined) throw new Error(`${argv[0]} was not seen to start`);
  return { seconds, counters };
}

const modular = () =>
  time((linked) => ({ modules: [...linux(), audit({ linked: () => linked() })] }));

/** The last that ld.so does before it starts the program is to unmap its cache. */
const { size } = await Deno.stat(`${root}/etc/ld.so.cache`);
const guest = () =>
  time(() => ({ linker: "guest" }), (machine, linked) => {
    machine.syscalls.on("munmap", {
      enter: (_call, args) => void (Number(args[1]) === size && linked()),
    });
  });

async function median(of: () => Promise<Link>): Promise<Link> {
  const all: Link[] = [];
  for (let run = 0; run < runs; run++) all.push(await of());
  return all.sort((a, b) => a.seconds - b.seconds)[runs >> 1];
}

await modular(); // Loads what both need.
const [ours, theirs] = [await median(modular), await median(guest)];
const { counters } = ours;
const relocations = (kind: string) => counters[`linker.relocations.${kind}`] ?? 0;
console.log(
  `${argv.join(" ")}: ${counters["linker.objects"]} objects, ${
    counters["linker.lookups"]
  } look-ups, ` +
    `${relocations("relative")} relative relocations; CPU seconds: modular ${
      ours.seconds.toFixed(2)
    }, guest ${theirs.seconds.toFixed(2)}`,
);
