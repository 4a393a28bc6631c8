/** What `--strace` prints is what strace prints, on both architectures. */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { StraceText } from "../../../sim/kernel/strace/text.ts";
import { Machine } from "../../../sim/machine.ts";
import { buildProgram, compilable, hasTool } from "./compile.ts";

const missing = ["x86_64", "aarch64"].every((arch) => compilable(arch as "x86_64"))
  ? Deno.build.arch === "x86_64" && hasTool("strace") ? "" : "strace on x86_64"
  : "gcc for both architectures";

/** Lines without what must differ: addresses, process ids, user ids, the call that started it. */
function comparable(text: string): string[] {
  return text.trimEnd().split("\n").slice(1).map((line) =>
    line.replace(/0x[0-9a-f]{5,}/g, "ADDRESS")
      .replace(/(getpid\(\) += )\d+/, "$1PID")
      .replace(/(tgkill\()\d+, \d+/, "$1PID, PID")
      .replace(/si_pid=\d+, si_uid=\d+/, "si_pid=PID, si_uid=UID")
      // Identifiers, users and times of System V IPC.
      .replace(/^((?:sem|msg|shm)(?!get)\w+\()\d+/, "$1ID")
      .replace(/^((?:sem|msg|shm)get.*|.*_INFO.*)( += )\d+$/, "$1$2ID")
      .replace(/(uid|gid|time|pid)=[1-9]\d*/g, "$1=SET")
      .replace(/(uid|gid)=0/g, "$1=SET")
      // The column depends on the length of addresses.
      .replace(/ += /, " = ")
  );
}

const programs = [
  "traced",
  "operations",
  "traced_ipc",
  "traced_aio",
  "traced_settings",
  "socket_names",
];

for (const name of programs) {
  Deno.test({
    name: `system calls of ${name}.c are printed as strace prints them${
      missing && ` (skipped: needs ${missing})`
    }`,
    ignore: missing !== "",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const program = buildProgram("x86_64", name, folder);
        const { stderr } = await new Deno.Command("strace", {
          args: ["-o", `${folder}/trace`, program],
          stdin: "null",
        }).output();
        assertEquals(new TextDecoder().decode(stderr), "");
        const expected = comparable(await Deno.readTextFile(`${folder}/trace`));
        for (const arch of ["x86_64", "aarch64"] as const) {
          const lines: string[] = [];
          const machine = await Machine.create({
            root: new Map([[`/${name}`, Deno.readFileSync(buildProgram(arch, name, folder))]]),
            streams: {
              stdin: new BytesInput(),
              stdout: new CapturedOutput(),
              stderr: new CapturedOutput(),
            },
            memory: 64 * 2 ** 20,
            strace: new StraceText((line) => lines.push(line)),
            report: () => {},
          });
          await machine.run([`/${name}`]);
          const shown = comparable(lines.join("\n"));
          // There is no SA_RESTORER on aarch64.
          const wanted = arch === "x86_64"
            ? expected
            : expected.map((line) =>
              line.replace("SA_RESTORER|", "").replace(", sa_restorer=ADDRESS", "")
                // O_LARGEFILE is another bit, and large like an address.
                .replace("0x8002 (", "ADDRESS (")
            );
          assertEquals(shown, wanted, arch);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
