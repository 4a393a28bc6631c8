import { assertEquals } from "@std/assert";
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
const everyWay = new Set(["busybox/sh", "gawk/floating point", "signal/SIGPIPE"]);
const ways: readonly Way[] = [{}, { heat: "cold" }, { heat: 50 }];

for (const architecture of ["amd64", "arm64"]) {
  const world = worldOf(architecture);
  const needs = await hasRoot(world) ? await missing(world) : `the bookworm-${architecture} root`;
  for (const program of programs.filter((program) => program.quick)) {
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
