/** Core dumps into files of the host. */
import { infoSigno } from "../kernel/abi/siginfo.ts";
import type { CoreDump } from "./core_dump.ts";

/**
 * Writes every core to the file that `pattern` names, in which `%p` stands for the process, `%e` for its
 * name, `%s` for the signal and `%%` for `%`, as in core(5). What is zero is left out of the file.
 *
 * @param done told of each file
 */
export function coreWriter(pattern: string, done: (message: string) => void) {
  return (dump: CoreDump): void => {
    const { process } = dump.thread;
    const values: Readonly<Record<string, string>> = {
      "%p": String(process.pid),
      "%e": process.name.replaceAll("/", "!"),
      "%s": String(infoSigno(dump.info)),
      "%%": "%",
    };
    const path = pattern.replace(/%[pes%]/g, (code) => values[code]);
    const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    try {
      for (const { offset, bytes } of dump.pieces()) {
        file.seekSync(offset, Deno.SeekMode.Start);
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      }
      file.truncateSync(dump.size);
    } finally {
      file.close();
    }
    done(`isthmus: ${process.name} (pid ${process.pid}): core dumped to ${path}`);
  };
}
