/** Lines of text that a run writes while it goes on: to a file of the host, or standard error. */
import { UsageError } from "./command.ts";

/** Which of all lines are written. */
export interface LineLimits {
  /** The first so many. */
  readonly first?: number;
  /** The last so many, at the end. */
  readonly last?: number;
}

export class Lines {
  readonly #file: Deno.FsFile | undefined;
  readonly #encoder = new TextEncoder();
  readonly #limits: LineLimits;
  #waiting: string[] = [];
  #count = 0;

  /** @param path a file, or `-` for standard error; `option` names it in errors */
  constructor(option: string, path: string, limits: LineLimits = {}) {
    this.#limits = limits;
    if (path === "-") return;
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      throw new UsageError(`${option}: cannot write ${path}: ${(error as Error).message}`);
    }
  }

  add(line: string): void {
    const { first = Infinity, last } = this.#limits;
    if (this.#count++ >= first) return;
    this.#waiting.push(line);
    if (last === undefined) {
      if (this.#waiting.length >= 1000) this.flush();
    } else if (this.#waiting.length >= 2 * last + 1000) {
      this.#waiting = this.#waiting.slice(-last);
    }
  }

  flush(): void {
    const bytes = this.#encoder.encode(this.#waiting.map((line) => line + "\n").join(""));
    this.#waiting = [];
    const to = this.#file ?? Deno.stderr;
    for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
  }

  close(): void {
    const { last } = this.#limits;
    if (last !== undefined) this.#waiting = last === 0 ? [] : this.#waiting.slice(-last);
    this.flush();
    this.#file?.close();
  }
}
