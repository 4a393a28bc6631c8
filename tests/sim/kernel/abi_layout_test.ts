/** Structures are laid out as the C compilers of both architectures lay out the kernel's headers. */
import { assertEquals } from "@std/assert";
import * as structs from "../../../sim/kernel/abi/structs.ts";
import { Struct } from "../../../sim/kernel/abi/struct.ts";
import { compilable, compile } from "./compile.ts";

const byName = new Map(
  Object.values(structs).filter((value) => value instanceof Struct)
    .map((struct) => [struct.name, struct as Struct<string>]),
);

for (const arch of ["x86_64", "aarch64"] as const) {
  const here = compilable(arch);
  Deno.test({
    name: `${arch}: structures are the C compiler's${
      here ? "" : ` (skipped: needs ${arch}-linux-gnu-gcc)`
    }`,
    ignore: !here,
    fn: () => {
      const source = new URL("abi_layout.c", import.meta.url).pathname;
      const assembly = compile(arch, ["-O1", "-S", "-o", "-", source]);
      const facts = [...assembly.matchAll(/^->(\w+) (\w+) (\d+)$/gm)];
      assertEquals(facts.length > 30, true);
      for (const [, name, field, value] of facts) {
        const struct = byName.get(name)!;
        const ours = field === "sizeof" ? struct.size : struct.offset(field);
        assertEquals(ours, Number(value), `${name} ${field}`);
      }
    },
  });
}
