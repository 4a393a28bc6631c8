import { type ElfFile } from "../../lib/elf/mod.ts";
import {
  type HostService,
  type LinkContext,
  type LinkObject,
  type Module,
  weak,
} from "../../lib/linker/mod.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { Caller } from "./caller.ts";
import { runnerObject, SYSCALL_SYMBOL, WAIT_SYMBOL } from "./guest_code.ts";
import { type Engine, type Import, type Instance, Trap, type Value } from "./instance.ts";
import { type Entry, runnerStateOf, type Running, waitUntil, wakeAll } from "./state.ts";
import { STUBS } from "./stub_code.ts";
import { formatSignature, sameSignature, type Signature } from "./types.ts";
import { carriedBy, enterSymbol, INITIALISE, MAIN, runnerLibrary, WORDS } from "./wrap.ts";

const WORD = 8;
/** Exit status of a program that a trap ends alone, as if SIGILL had killed it. */
const TRAPPED = 128 + 4;
/** Calls of an object's functions that may be at work in one another, by way of other objects. */
const DEEPEST = 1000;
/** Bytes of a page of WebAssembly memory. */
const PAGE = 65536;

/**
 * The module that is paired with a runner: it loads ELF objects that carry what the engine runs. What they export
 * and import are ordinary symbols, so that the pipeline's resolution alone decides who calls whom.
 */
export function runnerModule(engine: Engine): Module {
  const { kind } = engine;
  const library = runnerLibrary(kind);

  const collect = weak(async (link, object) => {
    forgetUnloaded(link);
    try {
      const carried = carriedBy(object.elf)!;
      const prepared = await engine.prepare(carried, object);
      runnerStateOf(link).running.set(object, {
        carried,
        prepared,
        depth: 0,
        own: new Map(),
        counted: 0,
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw loadFailure(object.path, error.message);
    }
  });

  /** Before any object's instance: what stubs and their runner need. */
  const describe = weak((link, object) => {
    const state = runnerStateOf(link);
    const running = state.running.get(object)!;
    const { exports } = running.carried.interface;
    const symbol = (name: string) => {
      const found = object.elf.lookup(name);
      return found === undefined ? undefined : link.base(object) + found.value;
    };
    const add = (name: string, entry: Entry["function"]) => {
      const at = symbol(name);
      if (at !== undefined) state.entries.set(at, { object, function: entry });
    };
    for (const [name, signature] of exports) add(name, { kind: "export", name, signature });
    add(MAIN, { kind: "main" });
    add(INITIALISE, { kind: "initialise" });
  });

  /** Everything is bound: instances are made, with what their imports were bound to. */
  const instantiate = weak((link, object) => {
    const state = runnerStateOf(link);
    const running = state.running.get(object)!;
    const slots = link.base(object) + object.elf.lookup(WORDS)!.value;
    const runner = link.objects.find((other) => other.elf.soname === library)!;
    const place = (name: string) => link.base(runner) + runner.elf.lookup(name)!.value;
    state.syscall = place(SYSCALL_SYMBOL);
    state.wait = place(WAIT_SYMBOL);
    state.enter.set(kind, link.readI64(slots));
    const imports = [...running.carried.interface.imports].map(([name, signature], i): Import => {
      const address = link.readI64(slots + WORD * (i + 1));
      checkTypes(object, name, signature, state.entries.get(link.originalOf(address)));
      return { name, address, signature };
    });
    try {
      running.instance = running.prepared.instantiate(link, imports);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw loadFailure(object.path, error.message);
    }
    link.counters.count("objects", 1, "runner");
    countMemory(link, running, running.instance);
  });

  return {
    name: kind,
    library: (name, link) =>
      name === library ? runnerObject(kind, link.arch, link.pageSize) : undefined,
    register: (object) =>
      isFor(object.elf, kind)
        ? { "collect": collect, "post-load": describe, "post-relocate": instantiate }
        : {},
    resolve: (lookup, next) => {
      const { candidate, key, link } = lookup;
      if (
        candidate.file === undefined && key.name === enterSymbol(kind) &&
        candidate.elf.soname === library
      ) {
        const address = link.provide(enterSymbol(kind), enter);
        return { object: candidate, address, size: 0, kind: "code", weak: false };
      }
      return next(lookup);
    },
  };
}

/** Forgets what the objects that are no more in the process had. */
function forgetUnloaded(link: LinkContext): void {
  const { running, entries } = runnerStateOf(link);
  const there = new Set(link.objects);
  for (const object of running.keys()) if (!there.has(object)) running.delete(object);
  for (const [at, { object }] of entries) if (!there.has(object)) entries.delete(at);
}

/** Whether an object needs the runner `kind`. */
function isFor(elf: ElfFile, kind: string): boolean {
  const library = runnerLibrary(kind);
  return elf.dynamic?.needed.includes(library) ?? false;
}

/** An import that is bound to another runner's export has that one's types. */
function checkTypes(object: LinkObject, name: string, wanted: Signature, entry?: Entry): void {
  if (entry?.function.kind !== "export") return;
  const { signature } = entry.function;
  if (sameSignature(wanted, signature)) return;
  throw loadFailure(
    object.path,
    `${name}: imported as ${formatSignature(wanted)}, but ${entry.object.path} exports it as ` +
      formatSignature(signature),
  );
}

/** What stubs go to. Who comes from elsewhere goes on at address 0. */
const enter: HostService = async (call, link) => {
  const state = runnerStateOf(link);
  const stub = link.originalOf(call.scratch);
  const entry = state.entries.get(stub);
  if (entry === undefined) return call.continueAt(0);
  const { object } = entry;
  const caller = new Caller(call, link, state, object);
  caller.count("calls");
  try {
    const result = await run(caller, entry);
    if (entry.function.kind === "main" && state.exit !== undefined) {
      await caller.exit(Number(result));
    }
    caller.answer(signatureOf(entry).result, result);
  } catch (error) {
    if (!(error instanceof Trap)) throw error;
    caller.count("traps");
    const where = `${link.programName}: ${object.path}: ${nameOf(entry)}`;
    link.print(2, `${where}: ${error.message}\n`);
    if (state.exit !== undefined) await caller.exit(TRAPPED);
    call.continueAt(stub + STUBS[link.arch].trap);
  }
};

/** Does what a guest function has entered for; throws a Trap. */
async function run(caller: Caller, entry: Entry): Promise<Value> {
  // Now: a guest function that the thread runs meanwhile changes the registers.
  const bits = caller.arguments(signatureOf(entry));
  const running = caller.state.running.get(entry.object)!;
  const instance = running.instance!;
  await take(caller, running);
  try {
    if (running.failed !== undefined) throw new Trap(running.failed);
    if (running.depth > DEEPEST) throw new Trap(`more than ${DEEPEST} calls in one another`);
    return await perform(caller, entry, instance, bits);
  } catch (error) {
    if (error instanceof Trap) running.failed ??= `called after ${nameOf(entry)} had failed`;
    throw error;
  } finally {
    countMemory(caller.link, running, instance);
    await leave(caller, running);
  }
}

function nameOf({ function: entry }: Entry): string {
  switch (entry.kind) {
    case "export":
      return entry.name;
    case "own":
      return `function ${entry.own.id}`;
    default:
      return entry.kind;
  }
}

/** A program's start code gives it argc and argv. */
const MAIN_SIGNATURE: Signature = { parameters: ["i64", "i64"], result: "i32" };

function signatureOf({ function: entry }: Entry): Signature {
  if (entry.kind === "export") return entry.signature;
  if (entry.kind === "own") return entry.own.signature;
  return entry.kind === "main" ? MAIN_SIGNATURE : { parameters: [] };
}

async function perform(
  caller: Caller,
  entry: Entry,
  instance: Instance,
  bits: readonly bigint[],
): Promise<Value> {
  const { function: what } = entry;
  switch (what.kind) {
    case "initialise":
      return void await instance.initialise(caller);
    case "main":
      return await instance.main(caller, argumentsOf(caller, bits));
    case "export": {
      const { args, finish } = caller.receive(what.signature, bits);
      const result = await instance.call(caller, what.name, what.signature, args);
      finish();
      return result;
    }
    case "own": {
      const { args, finish } = caller.receive(what.own.signature, bits);
      const result = await instance.callOwn(caller, what.own, args);
      finish();
      return result;
    }
  }
}

/** A program's arguments. */
function argumentsOf(caller: Caller, [argc, argv]: readonly bigint[]): Uint8Array[] {
  return Array.from(
    { length: Number(argc) },
    (_, i) => caller.readString(caller.readWord(Number(argv) + WORD * i)),
  );
}

/** Makes the calling thread the one that the object runs for. */
async function take(caller: Caller, running: Running): Promise<void> {
  const { thread } = caller.call;
  if (running.owner !== undefined && running.owner !== thread) {
    await waitUntil(caller, () => running.owner === undefined);
  }
  running.owner = thread;
  running.depth++;
}

async function leave(caller: Caller, running: Running): Promise<void> {
  if (--running.depth > 0) return;
  running.owner = undefined;
  await wakeAll(caller);
}

function countMemory(link: LinkContext, running: Running, { memorySize }: Instance): void {
  if (memorySize <= running.counted) return;
  link.counters.count("memory.pages", (memorySize - running.counted) / PAGE, "runner");
  running.counted = memorySize;
}
