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
