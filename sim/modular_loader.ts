/** The modular linker as the kernel's loader of programs: the host does what ld.so does in a guest. */
import { PF_X, PT_GNU_STACK } from "../lib/elf/constants.ts";
import {
  AT_BASE,
  AT_ENTRY,
  AT_PHDR,
  AT_PHNUM,
  type LinkCounters,
  Linker,
  LinkError,
  type LinkObserver,
  type LinkResult,
  LinkTargetError,
  type Module,
  type Start,
} from "../lib/linker/mod.ts";
import { BpfProgram } from "./kernel/bpf.ts";
import type { ExecLoader, Program, ProgramImage } from "./kernel/exec.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import type { Kernel } from "./kernel/kernel.ts";
import type { Process } from "./kernel/process.ts";
import { installFilters } from "./kernel/seccomp.ts";
import { failureMessage, mapFailure } from "./link_failure.ts";
import type { HostFunctions, ServedProcess } from "./link_host.ts";
import { ProcessTarget } from "./link_target.ts";
import type { AddressSpace } from "./memory/address_space.ts";

export interface ModularLoaderOptions {
  readonly host: HostFunctions;
  readonly vfs: Vfs;
  /** In order: later modules override earlier ones. */
  readonly modules: readonly Module[];
  readonly observe?: ObserveLinks;
}

/** Who watches the linking of a program: its process and its path in the guest. */
export type ObserveLinks = (pid: number, program: string) => LinkObserver | undefined;

/** How a process is started: linked, or in the middle of being linked. */
type Begun =
  | { readonly kind: "image"; readonly image: ProgramImage }
  | {
    readonly kind: "early";
    readonly start: Start;
    readonly prepare: (stackPointer: number) => void;
  };

/** Links programs with one list of modules, and serves them while they run. */
export class ModularLoader implements ExecLoader {
  /** The first program that was linked. */
  first: LinkResult | undefined;
  readonly #vfs: Vfs;
  readonly #modules: readonly Module[];
  readonly #host: HostFunctions;
  readonly #counters: LinkCounters[] = [];
  readonly #observe: ObserveLinks | undefined;

  constructor({ host, vfs, modules, observe }: ModularLoaderOptions) {
    this.#observe = observe;
    this.#vfs = vfs;
    this.#modules = modules;
    this.#host = host;
  }

  /** The linker's work so far, over all programs, under the names of `LinkCounters.flat`. */
  get counters(): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const counters of this.#counters) {
      for (const [name, count] of Object.entries(counters.flat())) {
        sums[name] = (sums[name] ?? 0) + count;
      }
    }
    return sums;
  }

  get moduleNames(): readonly string[] {
    return this.#modules.map(({ name }) => name);
  }

  /**
   * Links `program` into `space`. A program whose files are at fault is one that says so and exits, as
   * under the system's own loader; any other error is a `LinkError` or `ElfError`.
   */
  async load(
    kernel: Kernel,
    process: Process,
    space: AddressSpace,
    program: Program,
  ): Promise<ProgramImage> {
    this.#host.attach(kernel);
    const target = this.#target(kernel, process, space);
    const linker = new Linker(target, {
      modules: this.#modules,
      programName: program.argv[0],
      environment: program.env.map(variable),
      observer: this.#observe?.(process.pid, program.file.path),
    });
    this.#counters.push(linker.counters);
    const early = new Promise<Begun>((resolve) => {
      target.onEnter = (start, prepare) => resolve({ kind: "early", start, prepare });
    });
    const linking = this.#link(linker, kernel, space, program);
    // Whoever waits first hears of an error: here, or where the process comes back from its early start.
    linking.catch(() => {});
    this.#serve(kernel, space, linker, target, linking);
    const begun = await Promise.race([
      early,
      linking.then((image): Begun => ({ kind: "image", image })),
    ]);
    if (begun.kind === "image") return begun.image;
    return { ...imageOf(begun.start, linker, space), prepare: begun.prepare };
  }

  #target(kernel: Kernel, process: Process, space: AddressSpace): ProcessTarget {
    return new ProcessTarget({ kernel, process, vfs: this.#vfs, space, host: this.#host });
  }

  #serve(
    kernel: Kernel,
    space: AddressSpace,
    linker: Linker,
    target: ProcessTarget,
    linking: Promise<ProgramImage>,
  ): void {
    const served = (linker: Linker, target: ProcessTarget): ServedProcess => ({
      target,
      callEnded: () => target.callEnded(),
      land: async () => {
        target.land();
        const { entry, filters } = await linking;
        kernel.cpu.pc = entry;
        if (kernel.current !== null) installFilters(kernel.current, filters);
      },
      fork: (child) => {
        const copy = this.#target(kernel, child, child.space.value);
        return served(linker.fork(copy), copy);
      },
    });
    this.#host.serve(space, served(linker, target));
  }

  /** The whole link; a program whose files are at fault becomes one that says so. */
  async #link(
    linker: Linker,
    kernel: Kernel,
    space: AddressSpace,
    program: Program,
  ): Promise<ProgramImage> {
    try {
      const result = await linker.link(program.file.path);
      this.first ??= result;
      return imageOf(result.start, linker, space);
    } catch (error) {
      const failure = error instanceof LinkError ? error.failure : undefined;
      if (failure === undefined) throw error;
      const message = failureMessage(program.argv[0] || program.filename, failure);
      const entry = mapFailure(space, kernel.abi.arch, message, failure.status);
      const heap = space.layout.programBase;
      return {
        entry,
        programEntry: entry,
        phdr: 0,
        phnum: 0,
        base: 0,
        heap,
        executableStack: false,
      };
    }
  }
}

function variable(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function imageOf(start: Start, linker: Linker, space: AddressSpace): ProgramImage {
  const { auxv, filters = [] } = start;
  return {
    entry: start.entry,
    programEntry: auxv.get(AT_ENTRY) ?? start.entry,
    phdr: auxv.get(AT_PHDR) ?? 0,
    phnum: auxv.get(AT_PHNUM) ?? 0,
    base: auxv.get(AT_BASE) ?? 0,
    heap: start.heap + space.layout.brkGap,
    executableStack: linker.objects.some(({ elf }) =>
      elf.segments.some(({ type, flags }) => type === PT_GNU_STACK && (flags & PF_X) !== 0)
    ),
    threadPointer: start.threadPointer,
    filters: filters.map((bytes) => {
      const program = BpfProgram.check(bytes);
      if (program === undefined) {
        throw new LinkTargetError("a filter of the program is none that Linux takes");
      }
      return program;
    }),
    auxv,
  };
}
