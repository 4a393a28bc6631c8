import type { LinkObject, Module } from "../../../lib/linker/mod.ts";
import { weak } from "../../../lib/linker/mod.ts";

/** Whether a command can be started here; tests that need it are skipped by name if not. */
export function hasTool(name: string): boolean {
  try {
    const found = new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" });
    found.outputSync();
    return true;
  } catch {
    return false;
  }
}

/** Runs a compiler or another tool and throws with its output if it fails. */
export function runTool(name: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(name, { args }).outputSync();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return text;
}

/** What this machine's loader prints with LD_DEBUG while it runs a command with eager binding. */
export function ldDebug(
  topic: string,
  command: string,
  args: string[],
  env: Record<string, string> = {},
): string {
  const { stderr } = new Deno.Command(command, {
    args,
    env: { LD_BIND_NOW: "1", LD_DEBUG: topic, ...env },
    clearEnv: true,
    stdin: "null",
  }).outputSync();
  return new TextDecoder().decode(stderr);
}

/** x86_64's read of descriptor 0, poll, select, pselect6, ppoll. */
const WAITING = /^(0 0x0|7|23|270|271) /;

/** A process of this machine that waits for its standard input, linked by its own loader. */
export class NativeProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #memory: Deno.FsFile;
  /** Load address of each mapped file, by resolved path. */
  readonly bases = new Map<string, number>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    for (const line of Deno.readTextFileSync(`/proc/${child.pid}/maps`).split("\n")) {
      const [range, , offset, , , path] = line.split(/\s+/);
      if (!path?.startsWith("/") || parseInt(offset, 16) !== 0 || this.bases.has(path)) continue;
      this.bases.set(path, parseInt(range.split("-")[0], 16));
    }
    this.#memory = Deno.openSync(`/proc/${child.pid}/mem`);
  }

  /** Starts a command with eager binding and waits until it sleeps for its standard input. */
  static async start(
    command: string,
    args: string[],
    env: Record<string, string> = {},
  ): Promise<NativeProcess> {
    const child = new Deno.Command(command, {
      args,
      env: { LD_BIND_NOW: "1", ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 2000; tries++) {
      await new Promise((done) => setTimeout(done, 10));
      if (WAITING.test(Deno.readTextFileSync(`/proc/${child.pid}/syscall`))) {
        return new NativeProcess(child);
      }
    }
    child.kill("SIGKILL");
    await child.status;
    throw new Error(`${command} does not wait for input`);
  }

  read(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    this.#memory.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < size;) {
      const count = this.#memory.readSync(bytes.subarray(done));
      if (count === null || count === 0) throw new Error(`0x${at.toString(16)} is unreadable`);
      done += count;
    }
    return bytes;
  }

  /** The load bias of an object, by the file it was mapped from. */
  baseOf(object: LinkObject): number | undefined {
    const at = object.file && this.bases.get(object.file.realPath);
    if (at === undefined) return undefined;
    const first = object.elf.loadSegments[0].vaddr;
    return at - (first - first % 4096);
  }

  /** A module that places every object where this process has it. */
  placement(): Module {
    return {
      name: "placement",
      register: () => ({
        "post-collect": weak((link, object) => {
          const base = this.baseOf(object);
          if (base === undefined) return;
          const loads = object.elf.loadSegments;
          const end = loads[loads.length - 1].vaddr + loads[loads.length - 1].memsz;
          const start = loads[0].vaddr - loads[0].vaddr % 4096;
          const size = Math.ceil((end - start) / 4096) * 4096;
          link.reserve(size, 4096, base + start);
          link.place(object, base);
        }),
      }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#memory.close();
    await this.#child.stdin.close();
    await this.#child.status;
  }
}
