/** What `run --bindings` and `--searches` write: a line an event, in the words of glibc's LD_DEBUG. */
import type { LinkObject } from "../../lib/linker/mod.ts";
import type { ObserveLinks } from "../../sim/modular_loader.ts";
import { UsageError } from "./command.ts";

/** Lines to a file of the host; `-` is standard error. */
class Lines {
  readonly #file: Deno.FsFile | undefined;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];

  constructor(option: string, path: string) {
    if (path === "-") return;
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      throw new UsageError(`${option}: cannot write ${path}: ${(error as Error).message}`);
    }
  }

  add(line: string): void {
    if (this.#waiting.push(line) >= 1000) this.flush();
  }

  flush(): void {
    const bytes = this.#encoder.encode(this.#waiting.map((line) => line + "\n").join(""));
    this.#waiting = [];
    const to = this.#file ?? Deno.stderr;
    for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
  }

  close(): void {
    this.flush();
    this.#file?.close();
  }
}

const nameOf = (object: LinkObject): string => object.path;

/** Writes the events of all processes, each line with its process's number. */
export class LinkTrace {
  readonly #bindings: Lines | undefined;
  readonly #searches: Lines | undefined;

  constructor(bindings: string | undefined, searches: string | undefined) {
    if (bindings !== undefined) this.#bindings = new Lines("--bindings", bindings);
    if (searches !== undefined) this.#searches = new Lines("--searches", searches);
  }

  readonly observe: ObserveLinks = (pid) => ({
    bound: this.#bindings && (({ name, version, from, to }) => {
      if (to === undefined) return;
      const wanted = version === undefined ? "" : ` [${version}]`;
      const line = `binding file ${nameOf(from)} to ${nameOf(to)}: symbol \`${name}'${wanted}`;
      this.#bindings!.add(`${pid}: ${line}`);
    }),
    tried: this.#searches && (({ name, requester, path, found }) => {
      const line = `find library=${name} for ${nameOf(requester)}; trying file=${path}`;
      this.#searches!.add(`${pid}: ${line}${found ? " (found)" : ""}`);
    }),
  });

  close(): void {
    this.#bindings?.close();
    this.#searches?.close();
  }
}
