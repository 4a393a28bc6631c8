import type { Architecture, Start } from "../../../lib/linker/mod.ts";
import type { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { hasTool, runTool } from "./native_process.ts";

/** How programs of an architecture are built and run here. */
const TOOLS = {
  x86_64: { compiler: "gcc", emulator: [] },
  aarch64: { compiler: "aarch64-linux-gnu-gcc", emulator: ["qemu-aarch64"] },
} as const;

/** The tools that this machine lacks for running images of an architecture. */
export function missingTools(arch: Architecture): string[] {
  if (Deno.build.arch !== "x86_64") return ["an x86_64 machine"];
  const { compiler, emulator } = TOOLS[arch];
  return [compiler, ...emulator].filter((tool) => !hasTool(tool));
}

/** Runs linked images on the real processor, or under qemu-user for aarch64. */
export class ImageRunner implements Disposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "run-image-" });
  readonly #runner: string;

  constructor(readonly arch: Architecture) {
    this.#runner = `${this.#folder}/run_image`;
    const source = new URL("run_image.c", import.meta.url).pathname;
    const options = ["-O1", "-static", "-no-pie", "-fno-stack-protector"];
    const place = "-Wl,-Ttext-segment=0x60000000";
    runTool(TOOLS[arch].compiler, ...options, place, source, "-o", this.#runner);
  }

  /** Runs a linked program to its end. */
  run(
    target: MemoryTarget,
    start: Start,
    argv: string[],
  ): { code: number; stdout: string; stderr: string } {
    return this.#execute(target, start, argv);
  }

  /** Calls a function in the memory of a target, as `MemoryTarget` options want it. */
  readonly call = (
    target: MemoryTarget,
    address: number,
    args: readonly (number | bigint)[],
  ): number => {
    const start = { entry: address, threadPointer: undefined, auxv: new Map(), heap: 0 };
    const [first = 0, second = 0] = args;
    const { code, stdout, stderr } = this.#execute(target, start, [
      "--call",
      `${first}`,
      `${second}`,
    ]);
    if (code !== 0) throw new Error(`call of 0x${address.toString(16)}: code ${code} ${stderr}`);
    return Number(stdout);
  };

  #execute(target: MemoryTarget, start: Start, argv: string[]) {
    const image = `${this.#folder}/image`;
    writeImage(target, start, image);
    const [command, ...args] = [...TOOLS[this.arch].emulator, this.#runner, image, ...argv];
    const output = new Deno.Command(command, { args, stdin: "null" }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Writes the image file that `run_image.c` reads: words, then regions with their bytes. */
function writeImage(target: MemoryTarget, start: Start, path: string): void {
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const put = (...words: number[]) => {
    file.writeSync(new Uint8Array(BigUint64Array.from(words, BigInt).buffer));
  };
  put(start.entry, start.threadPointer ?? 0, start.auxv.size);
  for (const [type, value] of start.auxv) put(type, value);
  const regions = [...target.regions()];
  put(regions.length);
  for (const { at, protection, bytes } of regions) {
    put(at, bytes.length, protection);
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  }
}
