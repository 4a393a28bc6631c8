/** The option `--gdb`: where gdb is waited for. */
import type { GdbAddress } from "../../sim/debug/gdb_listener.ts";
import { type OptionSpec, UsageError } from "./command.ts";

function address(text: string): GdbAddress {
  const [, hostname, digits] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port < 65536)) {
    throw new UsageError(`--gdb: ${JSON.stringify(text)} is neither PORT nor HOST:PORT`);
  }
  return {
    port,
    hostname,
    listening: ({ hostname, port }) => {
      console.error(`isthmus: waiting for gdb: target remote ${hostname}:${port}`);
    },
  };
}

export const gdbOption: OptionSpec = {
  flags: "--gdb <[host:]port>",
  help: "wait for gdb (target remote HOST:PORT) before the first instruction; port 0: any",
  parse: address,
};
