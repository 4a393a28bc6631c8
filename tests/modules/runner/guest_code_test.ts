/** The guest code of runners is what its assembly source assembles to. */
import type { Architecture } from "../../../lib/linker/mod.ts";
import { SYSTEM_CALL } from "../../../modules/runner/guest_code.ts";
import { STUBS } from "../../../modules/runner/stub_code.ts";
import { SIP_START } from "../../../modules/sip/guest_code.ts";
import type { RuntimeCode } from "../../../modules/sysv/runtime.ts";
import { assertAssembled, missingAssembler } from "../sysv/assembled.ts";

const codeOf = (arch: Architecture): Record<string, string> => {
  const { stub, bareStart, libcStart } = STUBS[arch];
  return {
    system_call: SYSTEM_CALL[arch],
    stub: stub(0x1230).toHex(),
    bare_start: bareStart(-0x120).toHex(),
    libc_start: libcStart(-0x40, 0x1230).toHex(),
  };
};

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const missing = missingAssembler(arch);
  Deno.test({
    name: `guest code of runners of ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () => {
      const here = (name: string) => new URL(`${name}_${arch}.s`, import.meta.url);
      assertAssembled(arch, { [arch]: codeOf(arch) } as unknown as RuntimeCode, here("guest_code"));
      const sip = { [arch]: { sip_start: SIP_START[arch] } } as unknown as RuntimeCode;
      assertAssembled(arch, sip, here("sip_start"));
    },
  });
}
