/** Memory policies print the same in the machine, on both architectures, as on a Linux host of one node. */
import { note, ready, sameAsLinux } from "./beside_linux.ts";

/** Nodes of the host as a list of ranges; undefined where its kernel knows none. */
async function nodes(): Promise<string | undefined> {
  const text = await Deno.readTextFile("/sys/devices/system/node/online").catch(() => undefined);
  return text?.trim();
}

const single = await nodes() === "0";

Deno.test({
  name: `numa calls: the same as on Linux${
    single ? note : " (skipped: needs a Linux kernel with NUMA on one node)"
  }`,
  ignore: !ready || !single,
  fn: () => sameAsLinux(new URL("programs/numa.c", import.meta.url)),
});
