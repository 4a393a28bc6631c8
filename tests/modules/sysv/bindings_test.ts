/** Symbol resolution, checked against what glibc's own loader says it bound (LD_DEBUG=bindings). */
import { assertEquals } from "@std/assert";
import { Linker, type Module } from "../../../lib/linker/mod.ts";
import { linkAnything } from "./module_lists.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { ldDebug } from "./native_process.ts";

const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** `from symbol to` of every binding that the loader reports for a run. */
function reported(command: string, args: string[]): Set<string> {
  const bindings = new Set<string>();
  for (const line of ldDebug("bindings", command, args).split("\n")) {
    const match = /binding file (\S+) \[0\] to (\S+) \[0\]: \w+ symbol `([^']+)'/.exec(line);
    if (match === null) continue;
    bindings.add(`${baseName(match[1])} ${match[3]} ${baseName(match[2])}`);
  }
  return bindings;
}

/** The same of our linker. */
async function bound(program: string): Promise<Set<string>> {
  const bindings = new Set<string>();
  const recorder: Module = {
    name: "recorder",
    register: () => ({}),
    resolve: (lookup, next) => {
      const definition = next(lookup);
      if (definition !== undefined) {
        const [from, to] = [lookup.from, definition.object].map((object) => baseName(object.path));
        bindings.add(`${from} ${lookup.key.name} ${to}`);
      }
      return definition;
    },
  };
  const target = new MemoryTarget("x86_64", { call: (_target, resolver) => resolver });
  await new Linker(target, { modules: [...linkAnything(), recorder] }).link(program);
  return bindings;
}

const programs = ["/usr/bin/git", "/usr/bin/python3", "/usr/bin/gdb", "/usr/bin/perl", "/bin/ls"];

for (const program of programs) {
  const missing = Deno.build.arch !== "x86_64" || Deno.build.os !== "linux" || !exists(program);
  Deno.test({
    name: `bindings of ${program}${missing ? " (skipped: needs it on x86_64 Linux)" : ""}`,
    ignore: missing,
    fn: async () => {
      const native = reported(program, ["--version"]);
      // The kernel's own object is not ours to link; `__tls_get_addr` is the linker's in both. The
      // loader also binds its own allocator on the program's behalf.
      const comparable = (binding: string) => {
        const [from, symbol] = binding.split(" ");
        if (from.startsWith("linux-vdso") || from.startsWith("ld-linux")) return false;
        if (from === baseName(program) && /^(m|c|re)alloc$|^free$/.test(symbol)) return false;
        return symbol !== "__tls_get_addr";
      };
      const expected = [...native].filter(comparable);
      const ours = [...await bound(program)].filter(comparable);
      assertEquals(ours.sort(), expected.sort());
    },
  });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
