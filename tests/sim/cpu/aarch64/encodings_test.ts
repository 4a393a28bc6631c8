/** A part of what `deno task encodings` compares. */
import { assert, assertEquals } from "@std/assert";
import { compareEncodings, possible } from "./encodings.ts";

const missing = possible ? "" : " (skipped: needs llvm-objdump and aarch64-linux-gnu-objcopy)";

Deno.test({
  name: `what LLVM takes for instructions of the announced features are ours${missing}`,
  ignore: !possible,
  fn: async () => {
    const { instructions, differences } = await compareEncodings(1, 128);
    assert(instructions > 40_000, `${instructions} instructions`);
    assertEquals([...differences], []);
  },
});
