/** Debian's programs of glibc on musl's libc.so: the same output and exit code as on glibc, with its own loader. */
import { assert, assertEquals } from "@std/assert";
import type { Arch } from "../../../mod.ts";
import { linux } from "../../../modules/mod.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";

const PYTHON = `
import sqlite3, ctypes, lzma, decimal, threading
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
print(lzma.decompress(lzma.compress(b"x" * 1000))[:3], decimal.Decimal(2) ** 100)
print(ctypes.CDLL(None).abs(-5))
try: ctypes.CDLL("libnothing.so")
except OSError: print("missing")
found = []
threads = [threading.Thread(target=lambda n=n: found.append(n)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(found))
`;

/** Those that take longest run on one architecture. */
const ONLY: Readonly<Record<string, Arch>> = {
  "/usr/bin/python3": "aarch64",
  "/usr/bin/perl": "x86_64",
};

const PROGRAMS: readonly (readonly string[])[] = [
  ["/bin/bash", "-c", "echo $((6 * 7)); ls / | sort | head -4; id -un; (exit 3); echo $?"],
  ["/usr/bin/python3", "-c", PYTHON],
  [
    "/usr/bin/perl",
    "-MPOSIX",
    "-MList::Util=sum",
    "-e",
    'print sum(1..10), " ", floor(3.7), "\\n"',
  ],
  ["/usr/bin/sqlite3", ":memory:", "select printf('%.3f', 2.5), upper('abc');"],
];

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const loader = `${root}/lib/ld-musl-${arch}.so.1`;
  const missing = root === undefined
    ? "the root of bookworm"
    : await Deno.stat(loader).then(() => undefined, () => "musl in the root of bookworm");
  for (const argv of PROGRAMS.filter(([path]) => (ONLY[path] ?? arch) === arch)) {
    Deno.test({
      name: `${argv[0]} on musl, ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
      ignore: missing !== undefined,
      fn: async () => {
        const modules = linux({ glibc: "musl" });
        const { counters, ...onMusl } = await runIn(root!, argv, { modules });
        const { counters: _, ...guest } = await runIn(root!, argv, { linker: "guest" });
        assertEquals(onMusl, guest);
        assert(counters["linker.objects"] >= 3);
      },
    });
  }
}
