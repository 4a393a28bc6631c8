import { assert, assertEquals } from "@std/assert";
import { fuzz, readSeeds, type Seed } from "../../../scripts/tools/elf_fuzz.ts";
import { elfFiles } from "../../../scripts/tools/elf_check.ts";
import { builtObjects } from "./built_objects.ts";

const PREBUILT = new URL("../../guests/prebuilt", import.meta.url).pathname;

Deno.test("2000 mutants are read or refused with an ElfError", () => {
  const files: Seed[] = readSeeds(elfFiles([PREBUILT]).slice(0, 20), 200_000);
  const seeds = [...builtObjects(), ...files];
  assert(seeds.length >= 4);
  const outcome = fuzz(seeds, { mutants: 2000, seed: 7, limit: 5000 });
  assertEquals(outcome.failures, []);
  assertEquals(outcome.accepted + outcome.refused, 2000);
  // Mutants that reach the tables, not headers alone, and mutants that stay readable.
  assert(outcome.accepted > 200, `${outcome.accepted} read`);
  assert(outcome.fields.size > 40, `${outcome.fields.size} fields complained about`);
});
