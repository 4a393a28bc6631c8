/**
 * Programs that use the file, descriptor, polling and socket calls print the same in the machine,
 * on both architectures, as on the Linux kernel that runs the tests.
 */
import { note, ready, sameAsLinux } from "../beside_linux.ts";

for (
  const name of ["files", "descriptors", "polling", "sockets", "transfers", "watches", "limits"]
) {
  Deno.test({
    name: `${name} calls: the same as on Linux${note}`,
    ignore: !ready,
    fn: () => sameAsLinux(new URL(`programs/${name}.c`, import.meta.url)),
  });
}
