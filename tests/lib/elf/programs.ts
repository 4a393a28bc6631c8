/** Whether the programs that tests compare with can be run here. */

/** Whether running a program succeeds. */
export function runs(program: string, args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether a program that knows `--version` is installed. */
export function available(program: string): boolean {
  return runs(program, ["--version"]);
}

/** The text a program prints. */
export function output(program: string, args: string[]): string {
  const { stdout } = new Deno.Command(program, { args, stderr: "inherit" }).outputSync();
  return new TextDecoder().decode(stdout);
}

let folder: string | undefined;

/** A folder that goes with the process. */
export function temporary(): string {
  if (folder === undefined) {
    const made = Deno.makeTempDirSync({ prefix: "isthmus-elf-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
    folder = made;
  }
  return folder;
}
