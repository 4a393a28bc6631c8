/** The linker's services to programs of glibc: the same output as under glibc's own loader. */
import { assertEquals } from "@std/assert";
import { debianRoot, runIn, type RunOptions, SUITES } from "./gnu_run.ts";
import { GuestFolder, missingCompiler, type Target } from "./guest_program.ts";

interface Case {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly argv: readonly string[];
  readonly options?: RunOptions;
  /** Only with the newest glibc but one: what it is about has not changed since. */
  readonly once?: true;
  /** Some of it is C++, for which the small roots have no library. */
  readonly cplusplus?: true;
}

const script = new URL("programs/symbols.map", import.meta.url).pathname;

const cplusplus = ["-l:libstdc++.so.6", "-l:libgcc_s.so.1"];

const CASES: readonly Case[] = [
  {
    name: "name services and character sets",
    targets: [{ name: "libnss_own.so.2" }, { name: "names" }],
    argv: ["/t/names"],
    options: { env: { LD_LIBRARY_PATH: "/t" } },
  },
  {
    name: "threads cancelled and ended through libraries",
    targets: [
      { name: "libthrough.so", flags: ["-fexceptions", "-l:libgcc_s.so.1"] },
      { name: "cancel", flags: ["-fexceptions", "-pthread", "-l:libgcc_s.so.1"] },
    ],
    argv: ["/t/cancel"],
  },
  {
    name: "exceptions through libraries of the start and of later",
    targets: [
      { name: "libthrows.so", source: "libthrows.cc", flags: cplusplus },
      { name: "liblatethrows.so", source: "libthrows.cc", flags: cplusplus },
      {
        name: "exceptions",
        source: "exceptions.cc",
        flags: ["-pthread", "-rdynamic", "-lthrows", ...cplusplus],
      },
    ],
    argv: ["/t/exceptions"],
    once: true,
    cplusplus: true,
  },
  {
    name: "what cannot be opened or found",
    targets: [
      { name: "liblacking.so", source: "lacking.c" },
      { name: "libb.so" },
      { name: "libneeds.so", source: "libb.c", flags: ["-Wl,--no-as-needed", "-llacking"] },
      { name: "errors" },
      { name: "fixed", source: "errors.c", flags: ["-no-pie"] },
    ],
    argv: [
      "/t/errors",
      ...["liblacking.so", "/t/libneeds.so", "libb.so", "./libb.so", "/t/errors", "/t/fixed"],
      ...["/etc/passwd", "/bin", "nosuch.so", "/t/nosuch.so", "/etc/debian_version"],
    ],
  },
  {
    name: "dlopen, dlsym, dlclose, dladdr, dlinfo, dl_iterate_phdr",
    targets: [
      { name: "libb.so" },
      { name: "liba.so", flags: ["-lb"] },
      { name: "libc1.so" },
      { name: "services", flags: ["-rdynamic"] },
    ],
    argv: ["/t/services", "argument"],
  },
  {
    name: "thread-local storage of late libraries, in every thread",
    targets: [
      { name: "libb.so" },
      { name: "liblate.so" },
      { name: "libstatic.so" },
      { name: "threads", flags: ["-pthread"] },
    ],
    argv: ["/t/threads"],
  },
  ...["-no-pie", "-pie"].map((kind): Case => ({
    name: `versions, IFUNC, copies, protected symbols, weak references (${kind})`,
    targets: [
      { name: "libsymbols.so", flags: [`-Wl,--version-script=${script}`] },
      { name: "symbols", flags: [kind, "-lsymbols"] },
    ],
    argv: ["/t/symbols"],
    once: true,
  })),
  {
    name: "what ldd prints, of a library that is not there, too",
    targets: [
      { name: "libother.so", source: "libb.c", flags: ["-Wl,-soname,libgone.so"] },
      { name: "services", flags: ["-rdynamic", "-Wl,--no-as-needed", "-lother"] },
    ],
    argv: ["/bin/bash", "-c", "LD_TRACE_LOADED_OBJECTS=1 /t/services | sed 's/(0x.*/(address)/'"],
  },
  {
    name: "LD_PRELOAD, and a library in it that is not there",
    targets: [
      { name: "libhook.so" },
      { name: "libsymbols.so", flags: [`-Wl,--version-script=${script}`] },
      { name: "symbols", flags: ["-lsymbols"] },
    ],
    argv: ["/t/symbols"],
    options: { env: { LD_PRELOAD: "nosuch.so:/t/libhook.so" } },
  },
];

for (const [suite, arch] of SUITES) {
  const root = debianRoot(suite, arch);
  for (const { name, targets, argv, options, once, cplusplus } of CASES) {
    if (once && suite !== "bookworm") continue;
    const missing = root === undefined ? `the root of ${suite}` : missingCompiler(arch, cplusplus);
    Deno.test({
      name: `${name}: ${suite} on ${arch}${missing ? ` (skipped: needs ${missing})` : ""}`,
      ignore: missing !== undefined,
      fn: async () => {
        using folder = new GuestFolder(arch, root!, targets);
        const shared = { ...options, mounts: folder.mounts };
        const { counters: _m, ...modular } = await runIn(root!, argv, {
          ...shared,
          linker: "modular",
        });
        const { counters: _g, ...guest } = await runIn(root!, argv, {
          ...shared,
          linker: "guest",
        });
        assertEquals(modular, guest);
      },
    });
  }
}
