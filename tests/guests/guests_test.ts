import { assertEquals } from "@std/assert";
import { available, capture } from "../../scripts/tools/command.ts";
import { manyGuest } from "../../scripts/experiments/guests_data.ts";
import {
  buildStatics,
  type ExpectedRun,
  guestArchitectures,
  runGuest,
  toolMismatch,
} from "../../scripts/tools/guests.ts";

const folder = new URL("./", import.meta.url).pathname;
const prebuilt = `${folder}prebuilt`;
const expected: ExpectedRun[] = JSON.parse(await Deno.readTextFile(`${folder}expected.json`));
const mismatch = await toolMismatch();

for (const arch of guestArchitectures) {
  const native = arch === Deno.build.arch;
  const tools = native ? [] : [`qemu-${arch}`, `${arch}-linux-gnu-gcc`]; // gcc for its C library
  const lacking = (await Promise.all(tools.map(async (tool) => await available(tool) ? "" : tool)))
    .find((tool) => tool !== "");
  const needs = lacking === undefined ? "" : ` (skipped: needs ${lacking})`;
  Deno.test({ name: `${arch} guests run as recorded${needs}`, ignore: needs !== "" }, async () => {
    for (const run of expected) {
      if (run.only !== undefined && run.only !== arch) continue;
      if (!native && run.unlikeQemu !== undefined) continue;
      const { exit, stdout } = await runGuest(arch, prebuilt, run);
      const { exit: code, stdout: output } = run;
      assertEquals({ ...run, exit, stdout }, { ...run, exit: code, stdout: output });
    }
  });

  Deno.test(`${arch}: the embedded copy of many is the prebuilt one`, async () => {
    const files = await manyGuest(arch);
    assertEquals(files.size, 29);
    for (const [path, bytes] of files) {
      assertEquals(bytes, await Deno.readFile(`${prebuilt}/${arch}${path}`), path);
    }
  });

  Deno.test({
    name: `${arch}: static guests are rebuilt byte for byte` +
      (mismatch === "" ? "" : ` (skipped: ${mismatch})`),
    ignore: mismatch !== "",
  }, async () => {
    const out = await Deno.makeTempDir();
    try {
      await buildStatics(arch, out);
      for await (const entry of Deno.readDir(out)) {
        const committed = await Deno.readFile(`${prebuilt}/${arch}/${entry.name}`);
        assertEquals(await Deno.readFile(`${out}/${entry.name}`), committed, entry.name);
      }
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  });
}

Deno.test("the sha256 guest agrees with WebCrypto", async () => {
  for (const size of [55, 56, 10000]) {
    const data = Uint8Array.from({ length: size }, (_, i) => 97 + i % 26);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
    const run = expected.find((row) =>
      row.program === "sha256" && Number(row.args[0] ?? 10000) === size
    );
    assertEquals(run?.stdout.split("\n")[1], `data ${digest}`);
  }
});

const readelf = await available("readelf") ? "" : " (skipped: needs readelf)";
Deno.test({ name: `many has what it was made for${readelf}`, ignore: readelf !== "" }, async () => {
  const list = async (arch: string, file: string) => {
    const done = await capture([
      "readelf",
      "-rdW",
      "--dyn-syms",
      `${prebuilt}/${arch}/many/${file}`,
    ]);
    return new TextDecoder().decode(done.stdout);
  };
  const has = async (arch: string, file: string, words: RegExp[]) => {
    const text = await list(arch, file);
    for (const word of words) assertEquals(word.test(text), true, `${arch} ${file}: ${word}`);
  };
  await has("x86_64", "many_fixed", [/R_X86_64_COPY .*many_hops/, /R_X86_64_JUMP_SLO/]);
  await has("aarch64", "many_fixed", [/R_AARCH64_COPY .*many_hops/, /R_AARCH64_JUMP_SL/]);
  await has("x86_64", "lib/libm01.so", [/R_X86_64_DTPMOD64/, /R_X86_64_DTPOFF64/]);
  await has("aarch64", "lib/libm01.so", [/R_AARCH64_TLS_DTPMOD/, /R_AARCH64_TLS_DTPREL/]);
  await has("x86_64", "lib/libm03.so", [/R_X86_64_TPOFF64/, /R_X86_64_GLOB_DAT/]);
  await has("aarch64", "lib/libm03.so", [/R_AARCH64_TLS_TPREL/, /R_AARCH64_GLOB_DAT/]);
  await has("x86_64", "lib/libm05.so", [/R_X86_64_TLSDESC/]);
  await has("aarch64", "lib/libm05.so", [/R_AARCH64_TLSDESC/]);
  for (const arch of guestArchitectures) {
    await has(arch, "lib/libm04.so", [
      /(IFUNC|<OS specific>: 10) .*many_pick/,
      /_ABS64|R_X86_64_64/,
    ]);
    await has(arch, "lib/libm22.so", [/many_tag@@M_2/, /many_tag@M_1/]);
    await has(arch, "lib/libm12.so", [/many_tag@M_1/, /BIND_NOW/]);
    await has(arch, "lib/libm20.so", [/\(INIT\)/, /\(FINI\)/]);
    await has(arch, "many", [/WEAK .*UND many_absent/]);
  }
});
