/**
 * What the modular linker binds and counts, against what glibc's own ld.so says of the same program
 * (LD_DEBUG=bindings,statistics with LD_BIND_NOW=1): symbol by symbol, and relocation by relocation.
 */
import { assert, assertEquals } from "@std/assert";
import type { MachineOptions } from "../../mod.ts";
import { capture, text } from "../../scripts/tools/command.ts";
import { ourLink, theirLink } from "../oracles/ld_debug.ts";

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;

interface Case {
  readonly root: string;
  readonly argv: readonly string[];
}

const python = "import ssl, sqlite3, ctypes, lzma, decimal";
const cases: readonly Case[] = [
  ...[
    ["/bin/ls", "/"],
    ["/bin/bash", "-c", ":"],
    ["/usr/bin/as", "--version"],
    ["/usr/bin/find", "/etc/passwd"],
    ["/usr/bin/gawk", "BEGIN {}"],
    ["/usr/bin/gcc", "--version"],
    ["/usr/bin/lua5.4", "-v"],
    ["/usr/bin/openssl", "version"],
    ["/usr/bin/python3", "-S", "-c", python],
    ["/usr/bin/sqlite3", ":memory:", ".quit"],
    ["/usr/bin/xz", "--version"],
  ].map((argv) => ({ root: "bookworm-amd64", argv })),
  ...["bookworm-arm64", "bullseye-amd64", "trixie-amd64"].flatMap((root) => [
    { root, argv: ["/bin/ls", "/"] },
    { root, argv: ["/usr/bin/sqlite3", ":memory:", ".quit"] },
  ]),
  ...["bullseye-arm64", "trixie-arm64"].map((root) => ({ root, argv: ["/bin/ls", "/"] })),
];

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const readelf = await capture(["readelf", "--version"]).then(() => true, () => false);

/** Dynamic relocations by type, split by whether they name a symbol, as readelf counts them. */
async function relocationsOf(path: string) {
  const counts = { relr: 0, relative: 0, threadLocalWithoutSymbol: 0 };
  let packed = false;
  for (const line of (await text(["readelf", "-rW", path])).split("\n")) {
    if (line.startsWith("Relocation section")) packed = line.includes(".relr");
    const offsets = /^\s*(\d+) offsets/.exec(line);
    if (packed && offsets !== null) counts.relr += Number(offsets[1]);
    const [, type, symbol] =
      /^[0-9a-f]{16}\s+[0-9a-f]{16}\s+R_(?:X86_64|AARCH64)_(\w+)\s+(.*)$/.exec(line) ?? [];
    if (type === "RELATIVE") counts.relative++;
    const named = /^[0-9a-f]{16} .*[A-Za-z_]/.test(symbol ?? "");
    if (/^(TPOFF64|DTPMOD64|TLSDESC|TLS_\w+)$/.test(type ?? "") && !named) {
      counts.threadLocalWithoutSymbol++;
    }
  }
  return counts;
}

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

for (const { root, argv } of cases) {
  const folder = `${roots}${root}`;
  const needs = !await exists(`${folder}.json`)
    ? `the root ${root}, see scripts/tools/rootfs.ts`
    : readelf
    ? undefined
    : "readelf";
  Deno.test({
    name: `ld.so's bindings and counts: ${argv.join(" ")} on ${root}` +
      (needs === undefined ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== undefined,
    fn: async () => {
      const options: MachineOptions = { root: folder, env: { LD_BIND_NOW: "1" } };
      const allocator = !root.startsWith("bullseye");
      const theirs = await theirLink(argv, { ...options, allocator });
      const ours = await ourLink(argv, options);
      assertEquals(ours.said.exit, 0, ours.said.stderr);

      // Symbol by symbol.
      const names = (bindings: ReadonlyMap<string, number>) => [...bindings.keys()].sort();
      assertEquals(names(ours.bindings), names(theirs.bindings));

      // ld.so remembers the last look-up only and so repeats some; those without a result are the same.
      const { lookups, cached, relative } = theirs.statistics;
      const found = sum(theirs.bindings.values());
      const again = found - sum(ours.bindings.values());
      const without = lookups - found - theirs.own - theirs.protected;
      const counters = ours.said.counters;
      const ourWithout = counters["linker.lookups"] - ours.own - (found - again);
      // The files of bullseye are not sorted by symbol, and it repeats look-ups without a result as well.
      if (allocator) assertEquals(ourWithout, without);
      else assert(without - ourWithout >= 0 && without - ourWithout <= again, `${without}`);

      // Every relocation that names a symbol is one look-up of ld.so, or served by the last; so is a dlsym.
      const files = await Promise.all(ours.paths.map((path) => relocationsOf(folder + path)));
      const kinds = ["symbol", "plt", "copy", "tls"];
      const withSymbol = sum(kinds.map((kind) => counters[`linker.relocations.${kind}`] ?? 0)) -
        sum(files.map((file) => file.threadLocalWithoutSymbol));
      assertEquals(withSymbol + ours.byName, lookups + cached - theirs.own);

      // All relative relocations are those in the files. At the start, ld.so counts those that are not
      // packed, and its own.
      const loader = ours.paths.findIndex((path) => /\/ld-[^/]*$/.test(path));
      const linked = files.filter((_, index) => index !== loader);
      const packed = sum(linked.map((file) => file.relr));
      const plain = sum(linked.map((file) => file.relative));
      assertEquals(counters["linker.relocations.relative"], plain + packed);
      const nothingOpened = ours.byName === 0;
      if (nothingOpened) assertEquals(plain, relative - (files[loader]?.relative ?? 0));
    },
  });
}
