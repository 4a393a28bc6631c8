/** What `run --bindings` and `--searches` write: a line an event, in the words of glibc's LD_DEBUG. */
import type { LinkObject } from "../../lib/linker/mod.ts";
import type { ObserveLinks } from "../../sim/modular_loader.ts";
import type { Lines } from "./lines.ts";

const nameOf = (object: LinkObject): string => object.path;

/** Writes the events of all processes, each line with its process's number. */
export class LinkTrace {
  readonly #bindings: readonly Lines[];
  readonly #searches: readonly Lines[];

  /** Where bindings and searches go. */
  constructor(bindings: readonly Lines[], searches: readonly Lines[]) {
    this.#bindings = bindings;
    this.#searches = searches;
  }

  readonly observe: ObserveLinks = (pid) => ({
    bound: this.#bindings.length === 0 ? undefined : ({ name, version, from, to }) => {
      if (to === undefined) return;
      const wanted = version === undefined ? "" : ` [${version}]`;
      const line = `binding file ${nameOf(from)} to ${nameOf(to)}: symbol \`${name}'${wanted}`;
      for (const lines of this.#bindings) lines.add(`${pid}: ${line}`);
    },
    tried: this.#searches.length === 0 ? undefined : ({ name, requester, path, found }) => {
      const line = `find library=${name} for ${nameOf(requester)}; trying file=${path}`;
      for (const lines of this.#searches) lines.add(`${pid}: ${line}${found ? " (found)" : ""}`);
    },
  });
}
