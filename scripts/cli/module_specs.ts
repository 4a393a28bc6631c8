/** `--module`: linker modules by name, file or URL, with their options. */
import type { Module } from "../../lib/linker/mod.ts";
import {
  abiTypes,
  compartments,
  gnu,
  gnuOnMusl,
  ifed,
  javascript,
  layoutRandomisation,
  linux,
  lookupCache,
  musl,
  packedRelocations,
  preload,
  type Profile,
  proofs,
  reorder,
  rerandomisation,
  seccomp,
  signatures,
  sip,
  stableLinking,
  sysv,
  unpack,
  wasm,
} from "../../modules/mod.ts";
import { UsageError } from "./command.ts";
import { hostStore, readHostFile } from "./host_files.ts";

type ModuleOptions = Readonly<Record<string, string>>;

/** A module that `--module` knows by name. */
export interface NamedModule {
  readonly name: string;
  readonly summary: string;
  /** Options by name, with what they take. */
  readonly options: Readonly<Record<string, string>>;
  /** Every program gets it. */
  readonly usual?: boolean;
  /** The usual module in whose place it stands. */
  readonly insteadOf?: string;
  readonly make: (options: ModuleOptions) => Module;
}

function word<const W extends string>(
  options: ModuleOptions,
  name: string,
  words: readonly W[],
): W | undefined {
  const text = options[name];
  const found = words.find((choice) => choice === text);
  if (text !== undefined && found === undefined) {
    throw new UsageError(`--module: ${name}=${text} is none of ${words.join(", ")}`);
  }
  return found;
}

function publicKeys(files: string | undefined): string[] {
  if (files === undefined) throw new UsageError("--module signatures needs keys=FILE");
  return files.split("+").map((file) => {
    const text = new TextDecoder().decode(readHostFile(file));
    if (text.includes("-----BEGIN PUBLIC KEY-----")) return text;
    throw new UsageError(`--module signatures: ${file} holds no public key in PEM`);
  });
}

/** `vault:libvault.so+vault:libkeys.so` as libraries by compartment. */
function assignment(text: string | undefined): Record<string, string[]> {
  const assign: Record<string, string[]> = {};
  for (const pair of text?.split("+") ?? []) {
    const [, name, library] = /^([\w-]+):(.+)$/.exec(pair) ?? [];
    if (name === undefined) {
      throw new UsageError(`--module: libraries=${pair} is not COMPARTMENT:LIBRARY`);
    }
    (assign[name] ??= []).push(library);
  }
  if (text === undefined) throw new UsageError("--module compartments needs libraries=");
  return assign;
}

function count(module: string, name: string, text: string | undefined, most: number) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new UsageError(`--module ${module}: ${name}=${text} is no whole number from 1 to ${most}`);
}

/** A profile in JSON. */
function profileOf(file: string | undefined): Profile {
  if (file === undefined) throw new UsageError("--module reorder needs profile=FILE.json");
  let profile;
  try {
    profile = JSON.parse(new TextDecoder().decode(readHostFile(file)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const isProfile = Array.isArray(profile?.symbols) && Array.isArray(profile.stacks) &&
    profile.symbols.every(({ object, name, counts }: Partial<Profile["symbols"][number]>) =>
      typeof object === "string" && typeof name === "string" && typeof counts === "object"
    );
  if (isProfile) return profile;
  throw new UsageError(`--module reorder: ${file} is no profile that \`run --profile\` wrote`);
}

function share(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new UsageError(`--module reorder: cover=${text} is no number above 0 and up to 1`);
}

export const namedModules: readonly NamedModule[] = [
  {
    name: "preload",
    summary: "LD_PRELOAD: loads listed libraries before the program's own",
    options: { libraries: "names or paths with + between them" },
    usual: true,
    make: ({ libraries }) => preload({ libraries: libraries?.split("+") }),
  },
  {
    name: "sysv",
    summary: "links programs and libraries as the System V ABI says",
    options: {},
    usual: true,
    make: () => sysv(),
  },
  {
    name: "musl",
    summary: "starts programs of musl with its unmodified libc.so",
    options: {},
    usual: true,
    make: () => musl(),
  },
  {
    name: "gnu",
    summary:
      "starts programs of glibc with its unmodified libraries, and serves them while they run",
    options: {},
    usual: true,
    make: () => gnu(),
  },
  {
    name: "gnu-on-musl",
    summary: "runs programs of glibc on musl's libc.so, in the place of gnu",
    options: { libc: "guest path of musl's libc.so" },
    insteadOf: "gnu",
    make: ({ libc }) => gnuOnMusl({ libc }),
  },
  {
    name: "ifed.align",
    summary: "puts whole 2 MiB parts of each object on huge pages",
    options: {},
    make: () => ifed.align(),
  },
  {
    name: "ifed.concatenate",
    summary: "lays all objects back to back on huge pages",
    options: { pages: "2M or 1G (32M or 512M with larger base pages)", rights: "merged or kept" },
    make: (options) =>
      ifed.concatenate({
        pages: word(options, "pages", ["2M", "32M", "512M", "1G"]),
        rights: word(options, "rights", ["merged", "kept"]),
      }),
  },
  {
    name: "ifed.eliminateBranches",
    summary: "makes calls through PLT and GOT direct",
    options: { loads: "kept or relaxed: whether addresses in the GOT are computed instead" },
    make: (options) =>
      ifed.eliminateBranches({ loads: word(options, "loads", ["kept", "relaxed"]) }),
  },
  {
    name: "abi-types",
    summary: "refuses libraries whose types are not those that their users were compiled for",
    options: { debug: "guest folder of debug files by build id" },
    make: ({ debug }) => abiTypes({ debug }),
  },
  {
    name: "packed-relocations",
    summary: "applies packed relocations: Android's APS2, RELR, CREL",
    options: { when: "start or touch" },
    make: (options) => packedRelocations({ when: word(options, "when", ["start", "touch"]) }),
  },
  {
    name: "proofs",
    summary: "loads files only that prove where their system calls are, as `isthmus prove` does",
    options: {
      syscalls: "sonames that may have any, with + between them",
      unproved: "refuse or allow",
    },
    make: (options) =>
      proofs({
        syscalls: options.syscalls?.split("+"),
        unproved: word(options, "unproved", ["refuse", "allow"]),
      }),
  },
  {
    name: "signatures",
    summary: "loads files with a valid signature only, as `isthmus sign` makes them",
    options: {
      keys: "files of public keys (PEM) with + between them",
      unsigned: "refuse or allow",
    },
    make: (options) =>
      signatures({
        keys: publicKeys(options.keys),
        unsigned: word(options, "unsigned", ["refuse", "allow"]),
      }),
  },
  {
    name: "stable-linking",
    summary: "binds symbols as the last start did, as far as the same objects are loaded",
    options: {
      cache: "host folder in which bindings are kept",
      identity: "content or build-id: what tells that an object is the same",
    },
    make: (options) => {
      if (options.cache === undefined) {
        throw new UsageError("--module stable-linking needs cache=FOLDER");
      }
      const identity = word(options, "identity", ["content", "build-id"]);
      return stableLinking({ store: hostStore(options.cache), identity });
    },
  },
  {
    name: "reorder",
    summary: "packs the functions that ran, by a profile of an earlier run, into one area",
    options: {
      profile: "file that `run --profile FILE.json` wrote",
      cover: "share of all instructions, 0 to 1, that the functions to move took (default 1)",
      entries: "jump or stay: what the originals do",
      pages: "4K or 2M, of the area",
    },
    make: (options) =>
      reorder({
        profile: profileOf(options.profile),
        cover: share(options.cover),
        entries: word(options, "entries", ["jump", "stay"]),
        pages: word(options, "pages", ["4K", "2M"]),
      }),
  },
  {
    name: "rerandomisation",
    summary: "moves functions of libraries to other places while the program runs",
    options: {
      libraries: "names or paths with + between them, or `program`",
      every: "system calls from one move to the next (default 1000)",
      seed: "whole number (default 1)",
      area: "bytes in which the functions of a library lie (default 16777216)",
    },
    make: (options) => {
      if (options.libraries === undefined) {
        throw new UsageError("--module rerandomisation needs libraries=");
      }
      return rerandomisation({
        libraries: options.libraries.split("+"),
        every: count("rerandomisation", "every", options.every, 2 ** 30),
        seed: count("rerandomisation", "seed", options.seed, 2 ** 32),
        area: count("rerandomisation", "area", options.area, 2 ** 27),
      });
    },
  },
  {
    name: "layout-randomisation",
    summary: "places objects in an order and with gaps that a seed decides, anew for every start",
    options: {
      seed: "whole number (default 1)",
      gap: "most bytes left free before an object (default 65536, with pages=2M 8388608)",
      pages: "4K or 2M: what objects begin at a multiple of",
    },
    make: (options) =>
      layoutRandomisation({
        seed: count("layout-randomisation", "seed", options.seed, 2 ** 32),
        gap: count("layout-randomisation", "gap", options.gap, 2 ** 30),
        pages: word(options, "pages", ["4K", "2M"]),
      }),
  },
  {
    name: "lookup-cache",
    summary: "remembers where the search for a symbol ended, for references of other objects",
    options: {},
    make: () => lookupCache(),
  },
  {
    name: "compartments",
    summary: "puts libraries into compartments: data behind protection keys, calls through gates",
    options: {
      libraries: "COMPARTMENT:LIBRARY pairs with + between them",
      heap: "shared or own: whether what a compartment allocates has its key, too",
    },
    make: (options) =>
      compartments({
        assign: assignment(options.libraries),
        heap: word(options, "heap", ["shared", "own"]),
      }),
  },
  {
    name: "seccomp",
    summary: "restricts a program to the system calls that its code can reach",
    options: {
      action: "kill, trap, errno or log: what happens at another call",
      sections: "guest folder with copies of objects that have a .seccomp section",
      analyse: "yes or no: whether an object without a section is analysed",
      open: "libraries that the program may open later, paths with + between them",
      unknown: "allow or refuse: what a system call whose number is not known means",
      allow: "names of system calls allowed in any case, with + between them",
    },
    make: (options) =>
      seccomp({
        unknown: word(options, "unknown", ["allow", "refuse"]),
        action: word(options, "action", ["kill", "trap", "errno", "log"]),
        sections: options.sections,
        analyse: word(options, "analyse", ["yes", "no"]) !== "no",
        open: options.open?.split("+"),
        allow: options.allow?.split("+"),
      }),
  },
  {
    name: "unpack",
    summary: "loads programs and libraries that `isthmus pack` compressed",
    options: { when: "lazily or eagerly" },
    make: (options) => unpack({ when: word(options, "when", ["lazily", "eagerly"]) }),
  },
  {
    name: "wasm",
    summary: "runs WebAssembly: objects that carry a module, as `isthmus wrap` makes them",
    options: { pages: "pages of 64 KiB that a module's memory may have (4096)" },
    make: ({ pages }) => wasm({ pages: count("wasm", "pages", pages, 65536) }),
  },
  {
    name: "javascript",
    summary: "runs JavaScript: objects that carry a script, as `isthmus wrap` makes them",
    options: {
      pages: "pages of 64 KiB that a script's heap may have (2048)",
      steps: "times 10,000 branches or calls that a call may take (100000)",
    },
    make: ({ pages, steps }) =>
      javascript({
        pages: count("javascript", "pages", pages, 65536),
        steps: count("javascript", "steps", steps, 2 ** 31),
      }),
  },
  {
    name: "sip",
    summary: "runs programs of runners in one process, each isolated by what its code is",
    options: { programs: "the others, with their arguments, + between them" },
    make: ({ programs }) => {
      if (programs === undefined) throw new UsageError("--module sip needs programs=");
      return sip({ programs: programs.split("+").map((program) => program.split(" ")) });
    },
  },
];

function parseOptions(spec: string, text: string | undefined): ModuleOptions {
  const options: Record<string, string> = {};
  for (const part of text?.split(",") ?? []) {
    const at = part.indexOf("=");
    if (at < 1) throw new UsageError(`--module ${spec}: ${JSON.stringify(part)} is not key=value`);
    options[part.slice(0, at)] = part.slice(at + 1);
  }
  return options;
}

function named(spec: string): Module {
  const [, name, text] = /^([^:]*)(?::(.*))?$/.exec(spec)!;
  const found = namedModules.find((module) => module.name === name);
  if (found === undefined) {
    const names = namedModules.map((module) => module.name).join(", ");
    throw new UsageError(`--module: no module ${JSON.stringify(name)}; there are ${names}`);
  }
  const options = parseOptions(spec, text);
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(found.options, key));
  if (unknown !== undefined) {
    throw new UsageError(`--module ${name} has no option ${JSON.stringify(unknown)}`);
  }
  return found.make(options);
}

/** A file or URL whose default export is a module, or a function of options that makes one. */
async function imported(spec: string): Promise<Module> {
  const [, path, text] = /^(.*?\.[cm]?[jt]s(?:\?[^:]*)?)(?::(.*))?$/.exec(spec) ?? [, spec];
  const url = new URL(path!, `file://${Deno.cwd()}/`);
  const options = parseOptions(spec, text);
  let module;
  try {
    const exported = (await import(url.href)).default;
    module = typeof exported === "function" ? exported(options) : exported;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--module ${path}: ${message.split("\n")[0]}`);
  }
  if (typeof module?.name !== "string" || typeof module.register !== "function") {
    throw new UsageError(`--module ${path}: its default export is no linker module`);
  }
  return module;
}

/** The usual modules and those that `specs` name after them, or in the place of one, in order. */
export async function modulesOf(specs: readonly string[]): Promise<Module[]> {
  const modules = linux();
  for (const spec of specs) {
    const isNamed = namedModules.some(({ name }) => name === spec.split(":")[0]);
    if (!isNamed && /[/\\]/.test(spec)) {
      modules.push(await imported(spec));
      continue;
    }
    const added = named(spec);
    const { insteadOf } = namedModules.find(({ name }) => spec.split(":")[0] === name)!;
    const at = modules.findIndex(({ name }) => name === insteadOf);
    if (at < 0) modules.push(added);
    else modules[at] = added;
  }
  return modules;
}
