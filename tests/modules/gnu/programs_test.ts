/** Debian's programs under the modular linker: the same output and exit code as under glibc's own loader. */
import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../../mod.ts";
import { debianRoot, runIn } from "./gnu_run.ts";

const PYTHON = `
import ssl, sqlite3, ctypes, lzma, decimal, threading, pwd
print(ssl.OPENSSL_VERSION, sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
print(lzma.decompress(lzma.compress(b"x" * 1000))[:3], decimal.Decimal(2) ** 100)
print(ctypes.CDLL("libm.so.6").abs(-5), pwd.getpwnam("root").pw_dir)
found = []
threads = [threading.Thread(target=lambda n=n: found.append(n)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(found))
`;

/** Those that take longest run on one architecture. */
const ONLY: Readonly<Record<string, Arch>> = {
  "/usr/bin/python3": "x86_64",
  "/usr/bin/perl": "aarch64",
};

const PROGRAMS: readonly (readonly string[])[] = [
  ["/bin/true"],
  ["/bin/bash", "-c", "echo $((6 * 7)); ls / | sort | head -4; id -un; (exit 3); echo $?"],
  ["/usr/bin/python3", "-c", PYTHON],
  [
    "/usr/bin/perl",
    "-MPOSIX",
    "-MList::Util=sum",
    "-e",
    'print sum(1..10), " ", floor(3.7), "\\n"',
  ],
];

for (const suite of ["bookworm"]) {
  for (const arch of ["x86_64", "aarch64"] as Arch[]) {
    const root = debianRoot(suite, arch);
    for (const argv of PROGRAMS.filter(([path]) => (ONLY[path] ?? arch) === arch)) {
      Deno.test({
        name: `${argv[0]} of ${suite} on ${arch}` +
          (root === undefined ? ` (skipped: needs the root of ${suite})` : ""),
        ignore: root === undefined,
        fn: async () => {
          const { counters, ...modular } = await runIn(root!, argv, { linker: "modular" });
          const { counters: _, ...guest } = await runIn(root!, argv, { linker: "guest" });
          assertEquals(modular, guest);
          assert(counters["linker.objects"] >= 3);
        },
      });
    }
  }
}
