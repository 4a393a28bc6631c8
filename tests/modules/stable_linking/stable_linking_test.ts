/** Bindings of an earlier start and of a cache in one start, against what glibc's own ld.so bound. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Arch, linux, lookupCache, type Module, stableLinking } from "../../../mod.ts";
import { ourLink, theirLink } from "../../oracles/ld_debug.ts";
import { debianRoot, runIn } from "../gnu/gnu_run.ts";
import { GuestFolder, missingCompiler } from "../gnu/guest_program.ts";

const sources = new URL("programs/", import.meta.url).pathname;
/** It opens a library. */
const PERL = ["/usr/bin/perl", "-MFcntl", "-e", "print 6 * 7"];
const SEARCH = ["hash.tables", "hash.bloom.rejects", "hash.probes", "strcmp.bytes"];

type Counters = Readonly<Record<string, number>>;
const cost = (counters: Counters) => SEARCH.map((name) => counters[`linker.${name}`]);

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const root = debianRoot("bookworm", arch);
  const skipped = root === undefined ? " (skipped: needs the root of bookworm)" : "";

  // What is kept of a link does not depend on the machine; seven starts of perl are long.
  if (arch === "x86_64") {
    Deno.test({
      name: `perl is bound as ld.so binds it, from a cache and without, ${arch}${skipped}`,
      ignore: root === undefined,
      fn: async () => {
        const options = { root: root!, env: { LD_BIND_NOW: "1" } };
        const theirs = await theirLink(PERL, { ...options, allocator: true });
        const names = [...theirs.bindings.keys()].sort();
        const store = new Map<string, Uint8Array>();
        const link = async (...modules: Module[]) => {
          const { bindings, said } = await ourLink(PERL, {
            ...options,
            modules: [...linux(), ...modules],
          });
          assertEquals([said.exit, said.stdout, said.stderr], [0, "42", ""]);
          assertEquals([...bindings.keys()].sort(), names);
          return said.counters;
        };
        const plain = await link();
        const first = await link(stableLinking({ store }));
        assertEquals(cost(first), cost(plain));
        assertEquals(store.size, 1);
        const [written] = store.values();
        const second = await link(stableLinking({ store }));
        assertEquals(second["linker.stable.searched"], undefined);
        assertEquals(second["linker.stable.reused"], first["linker.stable.searched"]);
        assertEquals(second["linker.lookups"], plain["linker.lookups"]);
        // What the linker and perl ask for by name is searched for, nothing else.
        assert(second["linker.hash.tables"] < 100, `${second["linker.hash.tables"]}`);
        assertEquals([...store.values()], [written]);
        const cached = await link(lookupCache());
        assert(cached["linker.lookup.cache.hits"] > 0);
        const hits = cached["linker.lookup.cache.hits"];
        assertEquals(hits + cached["linker.lookup.cache.misses"], cached["linker.lookups"]);
        cost(cached).forEach((count, i) => assert(count < cost(plain)[i], SEARCH[i]));
        const both = await link(lookupCache(), stableLinking({ store }));
        assertEquals(cost(both), cost(first).map((_, i) => cost(cached)[i]));
        assertEquals(store.size, 2, "other modules, another cache");
      },
    });
  }

  const missing = root === undefined ? "the root of bookworm" : missingCompiler(arch);
  Deno.test({
    name: `what a changed library may change is searched for again, ${arch}` +
      (missing === undefined ? "" : ` (skipped: needs ${missing})`),
    ignore: missing !== undefined,
    fn: async () => {
      const libraries = ["libone.so", "libtwo.so"].map((name) => ({
        name,
        source: `${sources}${name.replace(".so", ".c")}`,
      }));
      const user = { name: "user", source: `${sources}user.c`, flags: ["-lone", "-ltwo"] };
      const changed = { ...libraries[0], flags: ["-DCHANGED"] };
      using before = new GuestFolder(arch, root!, [...libraries, user]);
      using after = new GuestFolder(arch, root!, [changed, libraries[1], user]);
      const store = new Map<string, Uint8Array>();
      const start = async (folder: GuestFolder, env: Record<string, string> = {}) => {
        const machine = { root: root!, mounts: folder.mounts, env: { LD_BIND_NOW: "1", ...env } };
        const guest = await runIn(root!, ["/t/user"], { ...machine, linker: "guest" });
        const { counters, ...ours } = await runIn(root!, ["/t/user"], {
          ...machine,
          modules: [...linux(), stableLinking({ store })],
        });
        assertEquals(ours, { exit: guest.exit, stdout: guest.stdout, stderr: guest.stderr });
        const [reused = 0, updated = 0, searched = 0] = ["reused", "updated", "searched"].map(
          (name) => counters[`linker.stable.${name}`],
        );
        return { ...{ stdout: ours.stdout, reused, updated, searched }, cost: cost(counters)[0] };
      };
      const first = await start(before);
      assertEquals(first.stdout, "1 2 3 0\n");
      const second = await start(before);
      assertEquals([second.reused, second.updated, second.searched], [first.searched, 0, 0]);
      const third = await start(after);
      assertEquals(third.stdout, "1 2 31 41\n");
      // The changed library's own references; of the others, only the changed library is asked.
      assert(third.searched > 0 && third.searched < 10, JSON.stringify(third));
      assertEquals(third.searched + third.updated, first.searched);
      assert(third.cost < 0.6 * first.cost, JSON.stringify([first, third]));
      const fourth = await start(after);
      assertEquals([fourth.reused, fourth.updated, fourth.searched], [first.searched, 0, 0]);
      // The same files, in another order.
      const fifth = await start(after, { LD_PRELOAD: "libtwo.so" });
      assertEquals(fifth.stdout, "1 2 3 41\n");
      assertEquals([fifth.reused, fifth.updated], [0, first.searched]);
      assertEquals((await start(before)).stdout, "1 2 3 0\n");
    },
  });
}

const root = debianRoot("bookworm", "x86_64");
Deno.test({
  name: "a corrupted cache is one line and a normal link" +
    (root === undefined ? " (skipped: needs the root of bookworm)" : ""),
  ignore: root === undefined,
  fn: async () => {
    const store = new Map<string, Uint8Array>();
    const messages: string[] = [];
    const start = async () => {
      const report = (message: string) => void messages.push(message);
      const modules = [...linux(), stableLinking({ store, report })];
      const { counters, ...said } = await runIn(root!, ["/bin/echo", "6"], { modules });
      assertEquals(said, { exit: 0, stdout: "6\n", stderr: "" });
      return counters["linker.stable.searched"] ?? 0;
    };
    const searched = await start();
    const [[name, sound]] = store;
    const bad: Uint8Array[] = [sound.subarray(0, 10), sound.subarray(0, -1), new Uint8Array()];
    for (let at = 3; at < sound.length; at += Math.ceil(sound.length / 4)) {
      const bytes = sound.slice();
      bytes[at] ^= 1 << at % 8;
      bad.push(bytes);
    }
    for (const bytes of bad) {
      messages.length = 0;
      store.set(name, bytes);
      assertEquals(await start(), searched);
      assertEquals(messages.length, 1);
      assertMatch(messages[0], /^stable-linking: .*: .*; linking without it$/);
      assertEquals(store.get(name), sound);
    }
  },
});
