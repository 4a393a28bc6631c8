/** The loader's own guest code is what its assembly source assembles to. */
import { RUNTIME_CODE } from "../../../modules/sysv/runtime_code.ts";
import type { Architecture } from "../../../lib/linker/mod.ts";
import { assertAssembled, missingAssembler } from "./assembled.ts";

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingAssembler(arch);
  Deno.test({
    name: `start code of ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () => assertAssembled(arch, RUNTIME_CODE, new URL(`runtime_${arch}.s`, import.meta.url)),
  });
}
