/** Presets from data: what is wrong is named by its field. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { detailed, isInlined, presets } from "../../../sim/models/preset.ts";
import { parsePreset, PresetError } from "../../../sim/models/preset_schema.ts";
import { CoreModel } from "../../../sim/models/core_model.ts";

const base = presets[0] as unknown as Record<string, unknown>;

/** Data that are wrong, and how the message begins. */
const WRONG: readonly (readonly [unknown, string])[] = [
  [7, "preset: must be an object, not 7"],
  [{}, "tlb: is missing"],
  [{ extends: "z80" }, "extends: no CPU preset"],
  [{ ...base, colour: 1 }, "colour: there is no such field; there are name"],
  [{ ...base, returnStack: 0 }, "returnStack: must be a whole number from 1 to 64, not 0"],
  [{ ...base, tlb: { itlb: [], dtlb: [], stlb: [] } }, "tlb.itlb: must be a list of at least 1"],
  [
    { extends: "zen2", tlb: { itlb: [{ entries: 64, ways: 4, pageBits: [21] }] } },
    "tlb.itlb: no structure holds pages of 4 KiB",
  ],
  [
    { extends: "zen2", targetBuffer: { entries: 64, ways: 5 } },
    "targetBuffer.ways: 5 ways do not divide 64 entries",
  ],
  [{ extends: "zen2", direction: { kind: "oracle" } }, "direction.kind: must be one of static"],
  [
    { extends: "zen2", direction: { kind: "gshare" } },
    "direction.historyBits: is missing",
  ],
  [
    {
      extends: "zen2",
      direction: { kind: "tage", baseBits: 9, tableBits: 9, tagBits: 9, histories: [5, 5] },
    },
    "direction.histories[1]: must be longer than the last",
  ],
  [
    {
      extends: "zen2",
      caches: { l1i: { size: 32768, ways: 8 }, l1d: { size: 32768, ways: 7 } },
    },
    "caches.l1d.ways: 7 ways do not divide 512 entries",
  ],
  [
    {
      extends: "zen2",
      caches: { l1i: { size: 32768, ways: 8, prefetcher: "psychic" } },
    },
    "caches.l1i.prefetcher: must be one of off, next-line, stride",
  ],
  [{ extends: "zen2", cost: { base: -1 } }, "cost.base: must be a number of cycles, not -1"],
  [
    { extends: "zen2", detail: { tlb: { walkCaches: [{ level: 4, entries: 4, ways: 4 }] } } },
    "detail.tlb.walkCaches[0].level: must be a whole number from 1 to 3, not 4",
  ],
];

Deno.test("a preset that is wrong: the message names the field", () => {
  for (const [data, message] of WRONG) {
    const error = assertThrows(() => parsePreset(data), PresetError);
    assertEquals((error as Error).message.slice(0, message.length), message);
  }
});

Deno.test("every preset is one, has sources, is inlined, and can be modelled in detail", () => {
  for (const preset of presets) {
    assertEquals(parsePreset(JSON.parse(JSON.stringify(preset))), preset);
    assert(preset.sources.length > 0 && isInlined(preset), preset.name);
    const parts = { tlb: true, branches: true, caches: true };
    const { name } = new CoreModel(detailed(preset), "x86_64", parts).preset;
    assertEquals(name, preset.name);
    assertEquals(parsePreset({ extends: name }).tlb, preset.tlb);
  }
});
