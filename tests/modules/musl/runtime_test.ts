/** The guest code of the services to musl is what its assembly source assembles to. */
import { MUSL_RUNTIME_CODE } from "../../../modules/musl/runtime_code.ts";
import type { Architecture } from "../../../lib/linker/mod.ts";
import { assertAssembled, missingAssembler } from "../sysv/assembled.ts";

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingAssembler(arch);
  Deno.test({
    name: `guest code for musl of ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () =>
      assertAssembled(arch, MUSL_RUNTIME_CODE, new URL(`runtime_${arch}.s`, import.meta.url)),
  });
}
