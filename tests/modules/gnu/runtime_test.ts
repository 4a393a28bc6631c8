/** The guest code of the services to glibc is what its assembly source assembles to. */
import { GNU_RUNTIME_CODE } from "../../../modules/gnu/runtime_code.ts";
import type { Architecture } from "../../../lib/linker/mod.ts";
import { assertAssembled, missingAssembler } from "../sysv/assembled.ts";

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingAssembler(arch);
  Deno.test({
    name: `guest code of ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () =>
      assertAssembled(arch, GNU_RUNTIME_CODE, new URL(`runtime_${arch}.s`, import.meta.url)),
  });
}
