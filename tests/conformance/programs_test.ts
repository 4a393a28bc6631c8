import { assertEquals } from "@std/assert";
import type { Program } from "../../scripts/tools/conformance/program.ts";
import { missing } from "../../scripts/tools/conformance/reference.ts";
import {
  check,
  hasRoot,
  nameOf,
  programs,
  worldOf,
} from "../../scripts/tools/conformance/suite.ts";
import type { Way } from "../../scripts/tools/conformance/simulate.ts";

/** Seconds that one program may take. */
const LIMIT = 180;

/** Short programs that run in every way; the others only as by default. */
const everyWay = new Set(["busybox/sh", "gawk/floating point"]);
const ways: readonly Way[] = [{}, { heat: "cold" }, { heat: 50 }];

/**
 * What takes longest runs on one architecture here, half of it on each; `deno task conformance` has all on both. The
 * instructions of both are compared elsewhere: these are about the kernel and long runs of mixed code.
 */
const single: Readonly<Record<string, string>> = {
  "fork/many": "amd64",
  "sort": "amd64",
  "gzip/round trip": "arm64",
  "coreutils/files": "arm64",
  "python/json re math": "arm64",
  "python/threading": "arm64",
  "python/subprocess": "amd64",
  "python/isolated": "arm64",
  "perl/regex": "amd64",
  "perl/sprintf sort": "arm64",
  "perl/System V": "amd64",
  "python/message queues": "amd64",
  "sqlite3/recursive": "arm64",
  "cc1/-E": "arm64",
  "cc1/-O2 of a function": "amd64",
  "binutils/assemble and archive": "amd64",
};

for (const architecture of ["amd64", "arm64"]) {
  const world = worldOf(architecture);
  const needs = await hasRoot(world) ? await missing(world) : `the bookworm-${architecture} root`;
  const here = ({ name, quick }: Program) =>
    quick && (single[name] ?? architecture) === architecture;
  for (const program of programs.filter(here)) {
    const used = everyWay.has(program.name) ? ways : ways.slice(0, 1);
    Deno.test({
      name: `${program.name} on ${architecture}` + (needs ? ` (skipped: needs ${needs})` : ""),
      ignore: needs !== undefined,
      fn: async () => {
        const verdicts = await check(program, world, used, LIMIT);
        assertEquals(
          verdicts.map(({ way, wrong }) => [way, wrong]),
          used.map((w) => [nameOf(w), undefined]),
        );
      },
    });
  }
}
