import type { LookupCounts } from "../elf/mod.ts";

/** Exact counts of the linker's own work; a cost model turns them into cycles. */
export class LinkCounters implements LookupCounts {
  /** Objects that were opened and loaded, the program included. */
  objects = 0;
  /** Bytes of address space mapped, page rounded. */
  bytesMapped = 0;
  /** Distinct pages the linker wrote to. */
  pagesDirtied = 0;
  /** Symbols asked for, each counted once however many objects were searched. */
  lookups = 0;
  /** Hash tables searched, over all lookups. */
  tables = 0;
  /** Hash tables that a GNU Bloom filter ruled out. */
  bloomRejects = 0;
  /** Chain entries of hash tables visited. */
  hashProbes = 0;
  /** Bytes that name comparisons looked at, terminating NULs included. */
  strcmpBytes = 0;
  /** Guest functions called to choose an implementation (IFUNC). */
  resolverCalls = 0;
  /** Writes after the protect phase, through `LinkTarget.patch`. */
  patches = 0;
  /** Relocations applied, by generic kind. */
  readonly relocations: Record<string, number> = {};
  readonly #own = new Map<string, number>();

  relocation(kind: string, count = 1): void {
    this.relocations[kind] = (this.relocations[kind] ?? 0) + count;
  }

  /** Adds to a count of a module's own, shown as `linker.` and its name, or with another domain before it. */
  count(name: string, by = 1, domain = "linker"): void {
    const full = `${domain}.${name}`;
    this.#own.set(full, (this.#own.get(full) ?? 0) + by);
  }

  /** The counts under the flat dotted names that statistics use: `linker.` and modules' other domains. */
  flat(): Record<string, number> {
    const counts: Record<string, number> = {
      "linker.objects": this.objects,
      "linker.bytes.mapped": this.bytesMapped,
      "linker.pages.dirtied": this.pagesDirtied,
      "linker.lookups": this.lookups,
      "linker.hash.tables": this.tables,
      "linker.hash.bloom.rejects": this.bloomRejects,
      "linker.hash.probes": this.hashProbes,
      "linker.strcmp.bytes": this.strcmpBytes,
      "linker.resolver.calls": this.resolverCalls,
      "linker.patches": this.patches,
    };
    for (const kind of Object.keys(this.relocations).sort()) {
      counts[`linker.relocations.${kind}`] = this.relocations[kind];
    }
    for (const name of [...this.#own.keys()].sort()) {
      counts[name] = this.#own.get(name)!;
    }
    return counts;
  }
}
