import { ElfFile } from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type StateKey,
  syscallName,
  weak,
} from "../../lib/linker/mod.ts";
import { analyse } from "./analyse.ts";
import { type Action, filterOf } from "./filter.ts";
import { Join, type Policy } from "./join.ts";
import { decodeSummary, digestOf, SECTION, type Summary } from "./summary.ts";

export { analyse } from "./analyse.ts";
export { type Action, ACTIONS, filterOf } from "./filter.ts";
export type { Policy, UnknownCall } from "./join.ts";
export { decodeSummary, digestOf, SECTION, withSummary } from "./summary.ts";
export type { Import, Reach, Summary } from "./summary.ts";

/**
 * Options of `seccomp`: what the filter permits beyond what was found, and what it does to the
 * rest.
 */
export interface SeccompOptions {
  /** What happens at a system call that is not allowed; default `kill`, the whole process. */
  readonly action?: Action;
  /** Guest folder with copies of objects, by their path, whose sections stand for those of the objects. */
  readonly sections?: string;
  /** Whether an object without a section is analysed when it is linked; default true, else an error. */
  readonly analyse?: boolean;
  /** Guest paths of libraries that the program may open while it runs. */
  readonly open?: readonly string[];
  /**
   * What a system call of unknown number means: `allow` (the default) that everything is allowed, `refuse` that what
   * no other place calls is refused there.
   */
  readonly unknown?: "allow" | "refuse";
  /** Names of system calls that are allowed in any case. */
  readonly allow?: readonly string[];
  /** Told what a program may do, before it starts; `filter` is undefined where nothing is refused. */
  readonly report?: (policy: Policy, filter: Uint8Array | undefined) => void;
}

interface State {
  readonly summaries: ReadonlyMap<LinkObject, Summary>;
  /** What the program was allowed at its start; undefined before, and where all is allowed. */
  readonly allowed: ReadonlySet<number> | undefined;
}

type Numbers = { readonly action: number; readonly back: number; readonly restart: number };

/** rt_sigaction, rt_sigreturn and restart_syscall: the kernel's own code makes the last two. */
const KERNELS: Record<Architecture, Numbers> = {
  x86_64: { action: 13, back: 15, restart: 219 },
  aarch64: { action: 134, back: 139, restart: 128 },
};

/** Analyses made in this process, by digest. */
const analyses = new Map<string, Promise<Summary>>();

/** Spares the analysis of an object whose summary is known. */
export function remember(summary: Summary): void {
  analyses.set(summary.digest, Promise.resolve(summary));
}

/**
 * Restricts a program to the system calls that it can reach: a module that joins the summaries of all
 * objects, through symbol resolution, into one filter of seccomp(2), which the program starts with.
 * See docs/modules/seccomp.md.
 */
export function seccomp(options: SeccompOptions = {}): Module {
  const { action = "kill", open = [], allow = [], unknown: unknownMeans = "allow", report } =
    options;
  const key: StateKey<State> = {
    create: () => ({ summaries: new Map(), allowed: undefined }),
    fork: ({ summaries, allowed }) => ({ summaries: new Map(summaries), allowed }),
  };
  const filters = new WeakMap<LinkContext, Uint8Array>();
  /** Summaries of libraries that are to be opened. */
  const later = new WeakMap<LinkContext, Summary[]>();

  const summarise = weak(async (link, object) => {
    const { summaries } = link.state(key);
    (summaries as Map<LinkObject, Summary>).set(object, await summaryOf(link, object, options));
    if (!object.isProgram) return;
    numbersOf(link.arch, allow);
    later.set(link, await Promise.all(open.map((path) => openLater(link, path, options))));
  });

  const restrict = weak((link) => {
    const state = link.state(key);
    const join = new Join(link, state.summaries);
    for (const object of state.summaries.keys()) join.start(object);
    for (const summary of later.get(link) ?? []) join.unloaded(summary);
    const policy = join.policy();
    const allowed = new Set([...policy.syscalls, ...numbersOf(link.arch, allow)]);
    const { action: handles, back, restart } = KERNELS[link.arch];
    if (allowed.has(handles)) allowed.add(back);
    allowed.add(restart);
    const isBounded = policy.unknown.length === 0 || unknownMeans === "refuse";
    const filter = isBounded ? filterOf(link.arch, allowed, action) : undefined;
    const { counters } = link;
    counters.count("seccomp.allowed", isBounded ? allowed.size : 0);
    counters.count("seccomp.unknown", policy.unknown.length);
    counters.count("seccomp.filter.length", (filter?.length ?? 0) / 8);
    report?.({ ...policy, syscalls: [...allowed].sort((a, b) => a - b) }, filter);
    if (filter === undefined) return;
    (state as { allowed: ReadonlySet<number> }).allowed = allowed;
    filters.set(link, filter);
  });

  const start = weak((link) => {
    const filter = filters.get(link);
    if (filter !== undefined) link.begin({ filters: [filter] });
  });

  /** A library that is opened later must do with what the program was allowed. */
  const check = weak((link, object) => {
    const { allowed, summaries } = link.state(key);
    if (allowed === undefined) return;
    const join = new Join(link, summaries);
    join.everything(object);
    const { syscalls, unknown: all } = join.policy();
    const unknown = unknownMeans === "refuse" ? [] : all;
    const more = syscalls.filter((number) => !allowed.has(number));
    if (more.length === 0 && unknown.length === 0) return;
    const names = unknown.length > 0
      ? "system calls that are not known"
      : more.map((number) => syscallName(link.arch, number) ?? number).join(", ");
    throw LinkError.of({
      occasion: "error while loading shared libraries",
      object: object.path,
      message: `it needs ${names}, which the program's filter refuses (seccomp:open=)`,
      status: 127,
    });
  });

  return {
    name: "seccomp",
    register: (object) => {
      if (object.isProgram) {
        return { "post-collect": summarise, "post-relocate": restrict, "start": start };
      }
      return object.batch === 0
        ? { "post-collect": summarise }
        : { "post-collect": summarise, "post-relocate": check };
    },
  };
}

/** An object's summary: its own section's, that of its copy, or a new one. */
async function summaryOf(
  link: LinkContext,
  object: LinkObject,
  options: SeccompOptions,
): Promise<Summary> {
  const { elf, file } = object;
  const digest = await digestOf(elf);
  const { sections } = options;
  const copy = sections === undefined || file === undefined
    ? undefined
    : link.files.open(sections + file.realPath);
  const holder = copy === undefined ? elf : ElfFile.parse(copy.bytes, copy.path);
  const section = holder.section(SECTION);
  if (section !== undefined) {
    const bytes = holder.sectionBytes(section);
    const summary = decodeSummary(bytes, section.offset, holder.name);
    if (summary.digest !== digest) {
      throw new LinkError(`${holder.name}: its ${SECTION} section is of another ${object.soname}`);
    }
    link.counters.count("seccomp.sections");
    return summary;
  }
  if (options.analyse === false && file !== undefined) {
    throw new LinkError(`${object.path} has no ${SECTION} section, and may not be analysed`);
  }
  let analysis = analyses.get(digest);
  if (analysis === undefined) {
    analyses.set(digest, analysis = analyse(elf));
    link.counters.count("seccomp.analysed");
  }
  return await analysis;
}

async function openLater(
  link: LinkContext,
  path: string,
  options: SeccompOptions,
): Promise<Summary> {
  const file = link.files.open(path);
  if (file === undefined) throw new LinkError(`seccomp: open=${path}: no such file`);
  const elf = ElfFile.parse(file.bytes, path);
  return await summaryOf(link, { elf, file, path, soname: path } as LinkObject, options);
}

function numbersOf(arch: Architecture, names: readonly string[]): number[] {
  return names.map((name) => {
    for (let number = 0; number < 1024; number++) {
      if (syscallName(arch, number) === name) return number;
    }
    throw new LinkError(`seccomp: allow=${name}: ${arch} has no such system call`);
  });
}
