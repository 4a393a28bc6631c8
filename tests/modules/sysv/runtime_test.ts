/** The loader's own guest code is what its assembly source assembles to. */
import { assertEquals } from "@std/assert";
import { RUNTIME_CODE } from "../../../modules/sysv/runtime_code.ts";
import type { Architecture } from "../../../lib/linker/mod.ts";
import { hasTool, runTool } from "./native_process.ts";

const PREFIX = { x86_64: "", aarch64: "aarch64-linux-gnu-" };

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const native = arch !== "x86_64" || Deno.build.arch === "x86_64";
  const missing = !native || !hasTool(`${PREFIX[arch]}as`);
  Deno.test({
    name: `start code of ${arch}${missing ? ` (skipped: needs ${PREFIX[arch]}as)` : ""}`,
    ignore: missing,
    fn: () => {
      const folder = Deno.makeTempDirSync({ prefix: "runtime-" });
      try {
        const source = new URL(`runtime_${arch}.s`, import.meta.url).pathname;
        const [object, binary] = [`${folder}/runtime.o`, `${folder}/runtime.bin`];
        runTool(`${PREFIX[arch]}as`, source, "-o", object);
        runTool(`${PREFIX[arch]}objcopy`, "-O", "binary", "-j", ".text", object, binary);
        const assembled = Deno.readFileSync(binary);
        const hex = Array.from(assembled, (byte) => byte.toString(16).padStart(2, "0")).join("");
        assertEquals(Object.values(RUNTIME_CODE[arch]).join(""), hex);
        // Each part begins where its label is.
        const labels = new Map(
          runTool(`${PREFIX[arch]}nm`, object).trim().split("\n").map((line) => {
            const [address, , name] = line.split(/\s+/);
            return [name, parseInt(address, 16)];
          }),
        );
        let at = 0;
        for (const [part, code] of Object.entries(RUNTIME_CODE[arch])) {
          assertEquals([part, labels.get(part)], [part, at]);
          at += code.length / 2;
        }
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}
