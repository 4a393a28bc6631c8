import { ElfFile } from "../../lib/elf/mod.ts";
import {
  type HostService,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  PROT_READ,
  PROT_WRITE,
  type StateKey,
  strong,
  weak,
} from "../../lib/linker/mod.ts";
import { wordBytes } from "../gnu/guest_heap.ts";
import { Caller } from "../runner/caller.ts";
import { runnerStateOf, waitUntil, wakeAll } from "../runner/state.ts";
import { formatSignature, sameSignature, type Signature } from "../runner/types.ts";
import { isAsWrapped, MAIN as PROGRAM_MAIN } from "../runner/wrap.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import { findLibrary } from "../sysv/search.ts";
import { CHILDREN, LIBRARY, MAIN, sipObject, START } from "./guest_code.ts";

/** Options of `sip`. */
export interface SipOptions {
  /** Programs that run in the process beside the one that is started, each a guest path and its arguments. */
  readonly programs: readonly (readonly string[])[];
}

const WORD = 8;
const STACK = 2 ** 18;
/** Messages that wait for one receiver from one sender; who sends more waits. */
const MOST = 64;

/** A software isolated process. */
interface Sip {
  readonly program: LinkObject;
  readonly argv: readonly string[];
  /** Its program and the libraries of its own. */
  readonly objects: ReadonlySet<LinkObject>;
  /** Messages for it, by the number of the sender. */
  readonly inbox: Uint8Array[][];
  /** Exit status. */
  status?: number;
}

interface State {
  sips: readonly Sip[];
}

const key: StateKey<State> = {
  create: () => ({ sips: [] }),
  fork: (state) => ({
    sips: state.sips.map((sip) => ({ ...sip, inbox: sip.inbox.map((q) => [...q]) })),
  }),
};

/** The processes' numbers by the copies of files that are theirs alone. */
const owners = new WeakMap<ElfFile, number>();

/**
 * Runs several programs in one address space as software isolated processes: programs of runners, whose code is
 * verified when it is loaded, each with a copy of its libraries and a scope of its own. All they have in common are
 * channels. See docs/modules/runners.md.
 */
export function sip({ programs }: SipOptions): Module {
  return {
    name: "sip",
    library: (name, link) => name === LIBRARY ? sipObject(link.arch, link.pageSize) : undefined,
    register: (object) => {
      if (object.isProgram) {
        return {
          "collect": weak((link) => collect(link, programs)),
          "post-collect": weak((link) => keepApart(link, programs)),
          "post-relocate": weak(prepare),
        };
      }
      return owners.has(object.elf) ? { "collect": strong(collectPrivately) } : {};
    },
    resolve: (lookup, next) => {
      const { candidate, key, link } = lookup;
      if (candidate.elf.soname === LIBRARY && candidate.file === undefined) {
        const channel = CHANNELS[key.name];
        if (channel !== undefined) {
          const address = link.provide(key.name, channel.service);
          return { object: candidate, address, size: 0, kind: "code", weak: false };
        }
      }
      return next(lookup);
    },
  };
}

function collect(link: LinkContext, programs: SipOptions["programs"]): void {
  needOwn(link, LIBRARY);
  for (const [i, [path]] of programs.entries()) {
    const file = link.files.open(path);
    if (file === undefined) throw new LinkError(`there is no program ${path}`);
    needCopy(link, file.bytes, path, i + 1);
  }
}

function needCopy(link: LinkContext, bytes: Uint8Array, path: string, owner: number): LinkObject {
  const elf = ElfFile.parse(bytes, path);
  owners.set(elf, owner);
  return link.need(elf);
}

/** An object that a module has for a library's name: one for all. */
function needOwn(link: LinkContext, name: string): LinkObject | undefined {
  const known = link.objects.find(({ elf, file }) => file === undefined && elf.soname === name);
  const elf = known !== undefined && !owners.has(known.elf) ? known.elf : link.library(name);
  return elf && link.need(elf);
}

/** Collects an object's libraries as copies that are its process's alone. */
function collectPrivately(link: LinkContext, object: LinkObject): void {
  const owner = owners.get(object.elf)!;
  for (const name of object.elf.dynamic?.needed ?? []) {
    if (needOwn(link, name) !== undefined) continue;
    const known = link.objects.find(({ elf }) => owners.get(elf) === owner && elf.soname === name);
    if (known !== undefined) {
      link.need(known.elf);
      continue;
    }
    const file = findLibrary(link, object, name);
    file.made?.fill(0, file.bytes.length);
    needCopy(link, file.bytes, file.path, owner);
  }
}

/** Makes the processes: what each consists of, and that it is kept apart from the others. */
function keepApart(link: LinkContext, programs: SipOptions["programs"]): void {
  const first = link.program;
  const others = link.objects.filter(({ elf }) => owners.has(elf));
  const sips = [[first.path], ...programs].map((argv, owner): Sip => {
    const program = owner === 0 ? first : others.find(({ elf }) => owners.get(elf) === owner)!;
    const objects = new Set<LinkObject>();
    const visit = (object: LinkObject) => {
      if (objects.has(object) || (owners.get(object.elf) ?? 0) !== owner) return;
      objects.add(object);
      if (object.elf.soname !== LIBRARY) object.dependencies.forEach(visit);
    };
    const shared = link.objects.filter(isOwn);
    visit(program);
    for (const object of shared) objects.delete(object);
    for (const object of objects) verifyCode(link, program, object);
    for (const object of objects) verifyImports(link, program, object, objects);
    for (const object of objects) link.rescope(object, [...objects, ...shared]);
    const inbox = Array.from({ length: programs.length + 1 }, () => []);
    return { program, argv, objects, inbox };
  });
  link.state(key).sips = sips;
  link.counters.count("sips", sips.length, "runner");
  runnerStateOf(link).exit = exit;
}

/** Whether an object is the linker's own, made by a module. */
function isOwn({ elf, file }: LinkObject): boolean {
  return file === undefined && !owners.has(elf);
}

/** A process may consist of nothing that could reach beyond its own memory. */
function verifyCode(link: LinkContext, program: LinkObject, object: LinkObject): void {
  const carried = runnerStateOf(link).running.get(object)?.carried;
  if (carried === undefined) {
    throw new LinkError(
      `${object.path} of ${program.path} is machine code, which nobody has verified: ` +
        "a software isolated process consists of WebAssembly and scripts alone",
    );
  }
  if (object === program && object.elf.lookup(PROGRAM_MAIN) === undefined) {
    throw new LinkError(`${object.path} is a library, no program`);
  }
  if (!isAsWrapped(object.elf, carried)) {
    throw new LinkError(`${object.path} is not what \`isthmus wrap\` makes of what it carries`);
  }
}

/** What it imports it has itself, or it is a channel: nothing else of the linker's, and with no other types. */
function verifyImports(
  link: LinkContext,
  program: LinkObject,
  object: LinkObject,
  objects: ReadonlySet<LinkObject>,
): void {
  const { running } = runnerStateOf(link);
  for (const [name, signature] of running.get(object)!.carried.interface.imports) {
    const isOwn = [...objects].some((other) =>
      running.get(other)?.carried.interface.exports.has(name)
    );
    if (isOwn) continue;
    const channel = CHANNELS[name];
    if (channel === undefined) {
      throw new LinkError(`${object.path} imports ${name}, which no object of ${program.path} has`);
    }
    if (!sameSignature(signature, channel.signature)) {
      const types = formatSignature(channel.signature);
      throw new LinkError(`${object.path} imports ${name}, whose types are ${types}, with others`);
    }
  }
}

/** Post-relocate of the program: the others' stacks, and the start code in the place of the program's. */
function prepare(link: LinkContext): void {
  const own = link.objects.find(({ elf, file }) => file === undefined && elf.soname === LIBRARY)!;
  const place = (object: LinkObject, name: string) =>
    link.base(object) + object.elf.lookup(name)!.value;
  const [first, ...others] = link.state(key).sips;
  const stacks = others.map(({ program, argv }) => {
    const at = link.allocate(STACK, PROT_READ | PROT_WRITE, "sip stack");
    const strings = argv.map((text) => new TextEncoder().encode(`${text}\0`));
    let next = at + STACK;
    const pointers = strings.map((bytes) => {
      link.write(next -= bytes.length, bytes);
      return next;
    });
    const words = wordBytes([place(program, PROGRAM_MAIN), argv.length, ...pointers, 0]);
    const top = Math.floor((next - words.length) / 16) * 16;
    link.write(top, words);
    return top;
  });
  const list = link.allocate((stacks.length + 1) * WORD, PROT_READ, "sip stacks");
  link.write(list, wordBytes([...stacks, 0]));
  link.writeU64(place(own, CHILDREN), list);
  link.writeU64(place(own, MAIN), place(first.program, PROGRAM_MAIN));
  link.writeU64(runtimeOf(link).address(link, "entry"), place(own, START));
}

/** Ends the process that the caller's object is of; the last one ends the whole, with the first failure. */
async function exit(caller: Caller, status: number): Promise<never> {
  const { sips } = caller.link.state(key);
  const sip = sips.find(({ objects }) => objects.has(caller.object))!;
  sip.status = status & 0xff;
  await wakeAll(caller);
  const isLast = sips.every((other) => other.status !== undefined);
  const first = sips.find((other) => other.status !== 0)?.status ?? 0;
  await caller.syscall(isLast ? "exit_group" : "exit", first);
  throw new TypeError("exit came back");
}

/** The number of the process that a thread runs. */
function numberOf(link: LinkContext, thread: number): number {
  const { running } = runnerStateOf(link);
  return link.state(key).sips.findIndex(({ program }) => running.get(program)?.owner === thread);
}

/** int sip_self(void) */
const self: HostService = (call, link) => call.result(numberOf(link, call.thread));

/** int sip_send(int to, const void *message, size_t size): 0, or -1 if `to` has ended */
const send: HostService = async (call, link) => {
  const to = link.state(key).sips[call.signed(0)];
  const caller = new Caller(call, link, runnerStateOf(link), link.program);
  const message = caller.readBytes(call.argument(1), call.argument(2));
  const queue = to?.inbox[numberOf(link, call.thread)];
  await waitUntil(
    caller,
    () => queue === undefined || queue.length < MOST || to.status !== undefined,
  );
  if (queue === undefined || to.status !== undefined) return call.result(-1);
  queue.push(message);
  caller.count("messages");
  await wakeAll(caller);
  call.result(0);
};

/**
 * int sip_receive(int from, void *message, size_t size): waits for the next message of `from`, and answers its
 * size, of which no more than `size` bytes are given; -1 if `from` has ended and there is none
 */
const receive: HostService = async (call, link) => {
  const from = call.signed(0);
  const [at, size] = [call.argument(1), call.argument(2)];
  const { sips } = link.state(key);
  const queue = sips[numberOf(link, call.thread)].inbox[from];
  const caller = new Caller(call, link, runnerStateOf(link), link.program);
  await waitUntil(
    caller,
    () => queue === undefined || queue.length > 0 || sips[from].status !== undefined,
  );
  const message = queue?.shift();
  if (message === undefined) return call.result(-1);
  caller.writeBytes(at, message.subarray(0, size));
  await wakeAll(caller);
  call.result(message.length);
};

/** The channels' functions, with the types by which alone they are safe: memory of its own is what each names. */
const CHANNELS: Readonly<Record<string, { service: HostService; signature: Signature }>> = {
  sip_self: { service: self, signature: { parameters: [], result: "i32" } },
  sip_send: { service: send, signature: { parameters: ["i32", "bytes"], result: "i32" } },
  sip_receive: { service: receive, signature: { parameters: ["i32", "buffer"], result: "i32" } },
};
