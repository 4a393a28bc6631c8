/** Files of the host that commands read and write; what goes wrong is wrong usage. */
import { UsageError } from "./command.ts";

export function readHostFile(path: string): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`);
  }
}

/** Writes a program or library. */
export function writeHostFile(path: string, bytes: Uint8Array, mode = 0o755): void {
  try {
    Deno.writeFileSync(path, bytes, { mode });
  } catch (error) {
    throw new UsageError(`--out: cannot write ${path}: ${(error as Error).message}`);
  }
}

/** Writes a text that `option` asks for; `-` is standard output. */
export function writeText(option: string, path: string, text: string): void {
  if (path === "-") return console.log(text.trimEnd());
  try {
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    throw new UsageError(`${option}: cannot write ${path}: ${(error as Error).message}`);
  }
}

/** Files of a folder of the host by name; it is made if it is not there. */
export function hostStore(folder: string): {
  get(name: string): Uint8Array | undefined;
  set(name: string, bytes: Uint8Array): void;
} {
  try {
    Deno.mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`cannot make the folder ${folder}: ${(error as Error).message}`);
  }
  return {
    get: (name) => {
      try {
        return Deno.readFileSync(`${folder}/${name}`);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw new UsageError(`cannot read ${folder}/${name}: ${(error as Error).message}`);
      }
    },
    // Another run that reads at the same time sees the old file or the new one.
    set: (name, bytes) => {
      const made = Deno.makeTempFileSync({ dir: folder, prefix: "." });
      Deno.writeFileSync(made, bytes);
      Deno.renameSync(made, `${folder}/${name}`);
    },
  };
}
