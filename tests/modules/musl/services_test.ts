/**
 * The linker's services to programs of musl: the same output and exit code as with musl's own loader, on this
 * machine (x86_64) or under qemu-user (aarch64).
 */
import { assert, assertEquals } from "@std/assert";
import type { Architecture } from "../../../lib/linker/mod.ts";
import { type Module, weak } from "../../../mod.ts";
import { ifed, linux } from "../../../modules/mod.ts";
import { runIn } from "../gnu/gnu_run.ts";
import { buildForMusl, muslNeeds, rootOf } from "../sysv/musl_program.ts";

const sources = new URL("programs/", import.meta.url).pathname;

/** A folder with the libraries and the program; machines see it under the same path. */
class Built implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "musl-services-" });

  constructor(readonly arch: Architecture) {
    const { folder } = this;
    const library = (name: string, ...more: string[]) =>
      buildForMusl(arch, `${folder}/${name}.so`, [`${sources}${name}.c`, `-L${folder}`, ...more]);
    library("libdeep");
    library("liblate", "-ldeep", "-Wl,-rpath,$ORIGIN");
    library("libplug");
    library("libinsists");
    library("libhook");
    // The reference that nobody defines stays one.
    library("liblacking");
    buildForMusl(arch, `${folder}/libgone.so`, [`${sources}libinsists.c`]);
    buildForMusl(arch, `${folder}/libneeds.so`, [
      ...[`${sources}libinsists.c`, "-Wl,--no-as-needed", `-L${folder}`, "-lgone"],
    ]);
    Deno.removeSync(`${folder}/libgone.so`);
    Deno.writeTextFileSync(`${folder}/text.so`, "This is no library.\n".repeat(200));
    buildForMusl(arch, `${folder}/services`, [
      ...[`${sources}services.c`, `-DT="${folder}"`, "-rdynamic", "-Wl,-rpath,$ORIGIN"],
    ]);
  }

  get argv(): string[] {
    return [`${this.folder}/services`, "argument"];
  }

  /** What the program prints when musl's own loader links it. */
  native(env: Record<string, string> = {}): { exit: number; stdout: string } {
    const [command, ...args] = this.arch === "x86_64"
      ? this.argv
      : ["qemu-aarch64", "-L", rootOf(this.arch), ...set(env), ...this.argv];
    const own = this.arch === "x86_64" ? { env, clearEnv: true } : {};
    const { code, stdout } = new Deno.Command(command, { args, ...own }).outputSync();
    return { exit: code, stdout: new TextDecoder().decode(stdout) };
  }

  /** The same in a machine. */
  async simulated(modules: readonly Module[], env: Record<string, string> = {}) {
    const mounts = [{ host: this.folder, guest: this.folder }];
    const options = { mounts, modules, env, uid: 0 };
    return await runIn(rootOf(this.arch) || "/", this.argv, options);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function set(env: Record<string, string>): string[] {
  return Object.entries(env).flatMap(([name, value]) => ["-E", `${name}=${value}`]);
}

for (const arch of ["x86_64", "aarch64"] as Architecture[]) {
  const needs = muslNeeds(arch);
  const skipped = needs === undefined ? "" : ` (skipped: needs ${needs})`;
  Deno.test({
    name: `dlopen and its kin, storage of late libraries, order of initialisers: musl on ${arch}` +
      skipped,
    ignore: needs !== undefined,
    fn: async () => {
      using built = new Built(arch);
      const { counters: _, ...run } = await built.simulated(linux());
      assertEquals(run, { ...built.native(), stderr: "" });
    },
  });

  Deno.test({
    name: `LD_PRELOAD interposes what libc.so calls itself: musl on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      using built = new Built(arch);
      const env = { LD_PRELOAD: `${built.folder}/libhook.so` };
      const { exit, stdout } = await built.simulated(linux(), env);
      assertEquals({ exit, stdout }, built.native(env));
      assert(/hook: [1-9]/.test(stdout));
    },
  });

  Deno.test({
    name: `a script's passes see what is opened at run time: musl on ${arch}${skipped}`,
    ignore: needs !== undefined,
    fn: async () => {
      using built = new Built(arch);
      const seen: string[] = [];
      const audit: Module = {
        name: "audit",
        register: () => ({ "post-load": weak((_link, o) => void seen.push(o.soname)) }),
      };
      const modules = [...linux(), ifed.concatenate(), ifed.eliminateBranches(), audit];
      const { counters, exit, stdout } = await built.simulated(modules);
      assertEquals({ exit, stdout }, built.native());
      assertEquals(seen.slice(0, 2), ["services", `ld-musl-${arch}.so.1`]);
      for (const late of ["liblate.so", "libdeep.so", "libplug.so"]) assert(seen.includes(late));
      assert(counters["linker.ifed.branches.patched"] > 100);
    },
  });
}
