/** A Slurm cluster of this machine alone, on loopback, for as long as a test takes. */
import { available } from "../../scripts/tools/command.ts";

const TOOLS = ["munged", "slurmctld", "slurmd", "sbatch"];
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

function configuration(folder: string): string {
  const host = Deno.hostname();
  return `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${freePort()}
SlurmdPort=${freePort()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/slurmd.log
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${navigator.hardwareConcurrency}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}

export class Slurm implements AsyncDisposable {
  readonly #daemons: Deno.ChildProcess[] = [];

  private constructor(readonly folder: string) {}

  /** What a test's name says if there is no Slurm, or no right to start it. */
  static async missing(): Promise<string> {
    const has = await Promise.all(TOOLS.map((tool) => available(tool)));
    const missing = TOOLS.filter((_, i) => !has[i]);
    if (missing.length > 0) return " (skipped: needs slurm-wlm and munge)";
    return Deno.uid() === 0 ? "" : " (skipped: needs root for slurmd)";
  }

  /** Start the daemons, their files in `folder`. */
  static async start(folder: string): Promise<Slurm> {
    const slurm = new Slurm(folder);
    for (const name of ["state", "spool"]) await Deno.mkdir(`${folder}/${name}`);
    const key = crypto.getRandomValues(new Uint8Array(1024));
    await Deno.writeFile(`${folder}/munge.key`, key, { mode: 0o400 });
    await Deno.writeTextFile(`${folder}/slurm.conf`, configuration(folder));
    slurm.#daemon("munged", [
      ...["--foreground", "--force", `--key-file=${folder}/munge.key`],
      ...[`--socket=${folder}/munge.socket`, `--pid-file=${folder}/munge.pid`],
      ...[`--log-file=${folder}/munge.log`, `--seed-file=${folder}/munge.seed`],
    ]);
    await slurm.#until(() => Deno.stat(`${folder}/munge.socket`));
    slurm.#daemon("slurmctld", ["-D", "-f", `${folder}/slurm.conf`]);
    slurm.#daemon("slurmd", ["-D", "-f", `${folder}/slurm.conf`]);
    await slurm.#until(() => slurm.#output("sh", "-c", "sinfo -h -o %t | grep -x idle"));
    return slurm;
  }

  /** Run a command with this cluster's configuration; its output as JSON. */
  // deno-lint-ignore no-explicit-any -- as JSON.parse
  async run(...argv: string[]): Promise<any> {
    return JSON.parse(await this.#output(...argv));
  }

  get #env(): Record<string, string> {
    const { PATH = "" } = Deno.env.toObject();
    return { SLURM_CONF: `${this.folder}/slurm.conf`, PATH: `${PATH}:${SYSTEM_PATH}` };
  }

  async #output(...[command, ...args]: string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(command, { args, env: this.#env })
      .output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (code !== 0) throw new Error(`${command}: ${text(stderr)}${text(stdout)}`);
    return text(stdout);
  }

  #daemon(command: string, args: string[]): void {
    this.#daemons.push(
      new Deno.Command(command, {
        ...{ args, env: this.#env, stdin: "null", stdout: "null", stderr: "null" },
      }).spawn(),
    );
  }

  /** Wait until `attempt` succeeds; its error after half a minute. */
  async #until(attempt: () => Promise<unknown>): Promise<void> {
    for (let tries = 0;; tries++) {
      try {
        return void await attempt();
      } catch (error) {
        if (tries === 150) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons.reverse()) {
      daemon.kill("SIGTERM");
      await daemon.status;
    }
  }
}
