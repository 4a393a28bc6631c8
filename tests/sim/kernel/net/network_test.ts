/**
 * Programs that use the network print the same in the machine, on both architectures, as on the
 * Linux kernel that runs the tests; most where the loopback is the only interface and nobody else
 * has a port.
 */
import { build, note, ready, sameAsLinux } from "../beside_linux.ts";

const program = (name: string): URL => new URL(`programs/${name}.c`, import.meta.url);

/** Whether a program can be run with a network of its own, which has IPv6. */
function canBeAlone(): boolean {
  const folder = Deno.makeTempDirSync();
  try {
    const alone = build("x86_64", program("alone"), folder);
    const args = ["/bin/cat", "/proc/net/if_inet6"];
    const { stdout } = new Deno.Command(alone, { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).includes(" lo\n");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const alone = ready && canBeAlone();

Deno.test({
  name: `timeouts of sockets: the same as on Linux${note}`,
  ignore: !ready,
  fn: () => sameAsLinux(program("socket_timeouts")),
});

for (const name of ["internet", "interfaces", "netlink"]) {
  Deno.test({
    name: `${name}.c: the same as on Linux with a loopback alone${
      alone ? "" : note || " (skipped: needs a network namespace with IPv6)"
    }`,
    ignore: !alone,
    fn: () => sameAsLinux(program(name), program("alone")),
  });
}
