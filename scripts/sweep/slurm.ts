/** A study as an array job of Slurm: each task makes a part of the runs. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where part `index` of the results in `file` goes. */
export function partFile(file: string, index: number): string {
  return `${file}.part-${index}`;
}

/** Files of parts that there are, by number. */
export function partFiles(file: string): string[] {
  const path = resolve(file);
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const prefix = `${path.slice(folder.length)}.part-`;
  const indices = [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map(({ name }) => Number(name.slice(prefix.length)));
  return indices.sort((a, b) => a - b).map((index) => partFile(file, index));
}

/** A word of the shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Arguments of sbatch for an array job of `tasks` tasks; `options` are further ones of sbatch. */
export function sbatchArguments(
  { study, name, out, tasks, options }: {
    readonly study: string;
    readonly name: string;
    readonly out: string;
    readonly tasks: number;
    readonly options: readonly string[];
  },
): string[] {
  const main = new URL("../../mod.ts", import.meta.url);
  const program = main.protocol === "file:" ? fileURLToPath(main) : main.href;
  const path = /^https?:/.test(study) ? study : resolve(study);
  const words = [Deno.execPath(), "run", "-A", program, "sweep", path, "--out", resolve(out)];
  return [
    "--parsable",
    `--array=0-${tasks - 1}`,
    `--job-name=${name}`,
    `--output=${resolve(out)}.log-%a`,
    ...options,
    "--wrap",
    `${words.map(quote).join(" ")} --jobs "\${SLURM_CPUS_PER_TASK:-1}" ` +
    `--part "$SLURM_ARRAY_TASK_ID/${tasks}"`,
  ];
}
