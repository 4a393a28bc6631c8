import type { Block } from "./page.ts";
import { hasTool } from "../modules/sysv/native_process.ts";

const checkout = new URL("../../", import.meta.url).pathname;
const roots = `${checkout}.cache/roots`;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a root was made with a package of this version, `NAME_VERSION`. */
function hasPackage(root: string, name: string): boolean {
  if (!exists(`${roots}/${root}.json`)) return false;
  const { contents } = JSON.parse(Deno.readTextFileSync(`${roots}/${root}.json`));
  return contents.some((one: string) => one.startsWith(`${name}_`));
}

/** The first thing that a block needs and that is not here. */
export function missing({ needs }: Block): string | undefined {
  return needs.find((need) => {
    const [root, name] = need.split(":");
    if (name !== undefined) return !hasPackage(root, name);
    return !exists(`${roots}/${need}`) && !hasTool(need);
  });
}

/**
 * A folder in which commands of a page run as in a checkout: `mod.ts` is this one's, `scripts`, `tests`, `docs` and
 * `.cache/roots` lead there, `isthmus` is the command line, and the tasks of `deno.json` are there.
 */
export class Sandbox implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  static async create(): Promise<Sandbox> {
    const folder = await Deno.makeTempDir({ prefix: "isthmus-docs-" });
    await Deno.chmod(folder, 0o755); // For the guest, who is another user.
    for (const name of ["scripts", "tests", "docs"]) {
      await Deno.symlink(`${checkout}${name}`, `${folder}/${name}`);
    }
    await Deno.mkdir(`${folder}/.cache`);
    await Deno.symlink(roots, `${folder}/.cache/roots`);
    await Deno.writeTextFile(`${folder}/mod.ts`, `export * from "${checkout}mod.ts";\n`);
    const { tasks } = JSON.parse(await Deno.readTextFile(`${checkout}deno.json`));
    const task = (text: string) => text.replace(/^deno run -A /, `$&${checkout}`);
    await Deno.writeTextFile(
      `${folder}/deno.json`,
      JSON.stringify({
        tasks: Object.fromEntries(Object.entries(tasks).map(([k, v]) => [k, task(v as string)])),
      }),
    );
    const deno = Deno.execPath();
    await Deno.mkdir(`${folder}/.bin`);
    const commands = {
      isthmus: `exec ${deno} run -A --config ${checkout}deno.json ${checkout}mod.ts "$@"`,
      // Without the line that says which task it is.
      deno:
        `[ "$1" = task ] && { shift; exec ${deno} task --quiet "$@"; }\nexec ${deno} "\${@/#scripts\\//${checkout}scripts/}"`,
      // The version that runs this, without asking a registry.
      npx: `shift 2; exec ${folder}/.bin/deno "$@"`,
    };
    for (const [name, script] of Object.entries(commands)) {
      await Deno.writeTextFile(`${folder}/.bin/${name}`, `#!/bin/bash\n${script}\n`, {
        mode: 0o755,
      });
    }
    return new Sandbox(folder);
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.folder}/${name}`, text);
  }

  /** Has `root` be a folder of `.cache/roots`. */
  async chooseRoot(name: string): Promise<void> {
    await Deno.remove(`${this.folder}/root`).catch(() => {});
    await Deno.symlink(`${roots}/${name}`, `${this.folder}/root`);
  }

  /** The lines that a command writes, to either output. */
  async run(command: string): Promise<string[]> {
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", `exec 2>&1\n${command}`],
      cwd: this.folder,
      env: { PATH: `${this.folder}/.bin:${Deno.env.get("PATH")}`, NO_COLOR: "1" },
      stdin: "null",
      stderr: "inherit",
    }).output();
    const text = new TextDecoder().decode(stdout);
    return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
