import { assertEquals } from "@std/assert";
import { importsOf } from "../../scripts/imports.ts";
import { checkProject, offencesOf } from "../../scripts/tools/check_imports.ts";

Deno.test("every form of import is found, comments are not", () => {
  const source = `
import { a } from "./a.ts"; // import "./comment.ts"
import type { B } from './b.ts';
export * from "./c.ts";
import "./d.ts";
import {
  e,
} from "./e.ts";
/* import "./comment.ts"; */
const f = await import("./f.ts");
new Worker(new URL("./g.ts", import.meta.url));
import{h}from'./h.ts';import i from "./i.ts"; import data from "./j.json" with { type: "json" };
export function from2() { return "not one"; }
const text = "http://host/path"; const from = "not one";
`;
  assertEquals(importsOf(source).map((one) => one.specifier), [
    ...["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "./f.ts", "./g.ts"],
    ...["./h.ts", "./i.ts", "./j.json"],
  ]);
  assertEquals(importsOf(source)[4].line, 8);
});

Deno.test("the arrows", () => {
  const bad = (file: string, specifier: string) =>
    offencesOf(file, `import "${specifier}";\n`).length === 1;
  assertEquals(bad("lib/elf/read.ts", "../linker/target.ts"), false);
  assertEquals(bad("lib/elf/read.ts", "../../sim/machine.ts"), true);
  assertEquals(bad("lib/elf/read.ts", "../../modules/sysv/load.ts"), true);
  assertEquals(bad("modules/sysv/load.ts", "../../lib/elf/read.ts"), false);
  assertEquals(bad("modules/sysv/load.ts", "../../sim/machine.ts"), true);
  assertEquals(bad("sim/cpu/cpu.ts", "../../lib/elf/read.ts"), false);
  assertEquals(bad("sim/cpu/cpu.ts", "../../modules/sysv/load.ts"), true);
  assertEquals(bad("sim/machine.ts", "../modules/sysv/load.ts"), false);
  assertEquals(bad("mod.ts", "./sim/machine.ts"), false);
  assertEquals(bad("scripts/cli/run.ts", "../../mod.ts"), false);
  assertEquals(bad("scripts/cli/run.ts", "../../tests/a.ts"), true);
  assertEquals(bad("scripts/cli/run.ts", "@std/cli"), true);
  assertEquals(bad("scripts/cli/run.ts", "npm:x@1"), true);
  assertEquals(bad("scripts/deps.ts", "npm:x@1"), false);
  assertEquals(bad("scripts/report/deps.ts", "npm:x@1"), false);
  assertEquals(bad("modules/packed/deps.ts", "npm:x@1"), false);
  assertEquals(bad("sim/cpu/deps.ts", "npm:x@1"), true);
  assertEquals(bad("sim/cpu/cpu.ts", "node:fs"), true);
});

Deno.test("the project keeps to them", async () => {
  const { files, offences } = await checkProject(new URL("../..", import.meta.url).pathname);
  assertEquals(offences, []);
  assertEquals(files > 10, true);
});
