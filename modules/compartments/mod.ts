import {
  ElfBuilder,
  ElfFile,
  type ElfMachine,
  PF_W,
  PF_X,
  SHT_NOBITS,
  STT_TLS,
} from "../../lib/elf/mod.ts";
import {
  type Definition,
  type HostService,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  pageUp,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type StateKey,
  weak,
} from "../../lib/linker/mod.ts";
import { chooseImplementation } from "../sysv/ifunc.ts";
import { AREA, GATES, HEADER, type Place, REGION, THREADS } from "./gate.ts";
import { HEAP, Heap, RETURNS, TAKES } from "./heap.ts";

/** Options of `compartments`: which libraries are kept apart. */
export interface CompartmentsOptions {
  /** Compartments by name, each with its libraries by soname, file name or path. */
  readonly assign: Readonly<Record<string, readonly string[]>>;
  /**
   * `shared` (the default): memory that libraries allocate is the C library's, open to all. `own`: what a
   * compartment's libraries allocate is in pages with its key.
   */
  readonly heap?: "shared" | "own";
}

const NAME = "[compartments]";
const WORD = 8;
/** Bytes of memory for gates that are asked for together. */
const CHUNK = 2 ** 16;
/** R_X86_64_TPOFF64, R_AARCH64_TLS_TPREL. */
const TPOFF: Record<ElfMachine, number> = { x86_64: 18, aarch64: 1030 };

/** One compartment in a process. */
interface Compartment {
  readonly name: string;
  readonly index: number;
  readonly objects: readonly LinkObject[];
  readonly key: number;
  readonly place: Place;
  /** Regions given out. */
  used: number;
  /** Its own heap, if it has one and a place. */
  heap?: Heap;
}

interface State {
  /** The object that holds the words which gates read. */
  words: LinkObject | undefined;
  compartments: Compartment[];
  readonly byObject: Map<LinkObject, Compartment>;
  readonly gates: Map<string, number>;
  /** Memory for gates that is left. */
  free: { at: number; end: number };
  chunks: { readonly at: number; readonly size: number }[];
  /** The program has started: memory is as it is to stay, and the linker's writes are patches. */
  isRunning: boolean;
}

/**
 * Libraries in compartments of their own: the data of each has a protection key, its functions run on
 * stacks of its own, and calls into it go through gates that the linker makes where it binds symbols.
 * See docs/modules/compartments.md.
 */
export function compartments({ assign, heap = "shared" }: CompartmentsOptions): Module {
  const names = Object.keys(assign);
  const key: StateKey<State> = {
    create: () => ({
      words: undefined,
      compartments: [],
      byObject: new Map(),
      gates: new Map(),
      free: { at: 0, end: 0 },
      chunks: [],
      isRunning: false,
    }),
    fork: (state) => ({
      ...state,
      compartments: state.compartments.map((compartment) => ({
        ...compartment,
        heap: compartment.heap?.copy(),
      })),
      byObject: new Map(state.byObject),
      gates: new Map(state.gates),
      free: { ...state.free },
      chunks: [...state.chunks],
    }),
  };
  /** Gives the calling thread a region of a compartment: one service each, the same in every process. */
  const services = names.map((name, index): HostService => (call, link) => {
    const compartment = link.state(key).compartments[index];
    if (compartment.used === THREADS) {
      throw new LinkError(`compartments: more than ${THREADS} threads have entered ${name}`);
    }
    const region = compartment.place.area + REGION * compartment.used++;
    const header = new DataView(new ArrayBuffer(3 * WORD));
    header.setBigUint64(HEADER.top, BigInt(region + REGION), true);
    header.setBigUint64(HEADER.owner, BigInt(call.threadPointer), true);
    link.patch(region, new Uint8Array(header.buffer), "compartment stack");
    const word = new DataView(new ArrayBuffer(WORD));
    word.setBigUint64(0, BigInt(region), true);
    const at = call.threadPointer + link.readI64(compartment.place.slot);
    link.patch(at, new Uint8Array(word.buffer), "compartment stack");
  });

  /** Functions of compartments' heaps by name, for each compartment. */
  const heapServices = names.map((_, index) =>
    new Map(
      Object.entries({ ...TAKES, ...RETURNS }).map(([name, run]): [string, HostService] => [
        name,
        (call, link) => {
          const { heap } = link.state(key).compartments[index];
          call.result(run(heap!, call, link));
        },
      ]),
    )
  );

  const plan = weak((link) => {
    const state = link.state(key);
    const { batch } = link;
    for (const [index, name] of names.entries()) {
      const objects = assign[name].map((library) => {
        const found = batch.find((object) => isNamed(object, library));
        if (found === undefined) {
          throw new LinkError(
            `${name} has ${library}, which the program does not load`,
          );
        }
        if (found.isProgram) throw new LinkError(`${library} is the program itself`);
        return found;
      });
      const number = link.allocateKey();
      if (number === undefined) {
        throw new LinkError(`there is no protection key for ${name}`);
      }
      const place: Place = {
        rights: GATES[link.arch].rights(number),
        slot: index, // A word of the object, whose address is known when it is placed.
        area: 0, // It is reserved when the program has its place.
        service: link.provide(`compartments.${name}`, services[index]),
      };
      const compartment = { name, index, objects, key: number, place, used: 0 };
      state.compartments.push(compartment);
      for (const object of objects) {
        const other = state.byObject.get(object);
        if (other !== undefined) {
          throw new LinkError(`${object.soname} is in ${other.name} and in ${name}`);
        }
        state.byObject.set(object, compartment);
      }
    }
    link.counters.count("compartments", names.length);
  });

  /** Of the object with the words: memory for stacks, and where its words are. */
  const prepare = weak((link, object) => {
    const state = link.state(key);
    state.words = object;
    const base = link.base(object) + object.elf.lookup("compartments.slots")!.value;
    state.compartments = state.compartments.map((compartment) => {
      const { place, index, name } = compartment;
      const area = link.reserve(AREA, AREA);
      link.map(area, AREA, PROT_READ | PROT_WRITE, { name: `compartment ${name}` });
      const placed = { ...compartment, place: { ...place, area, slot: base + WORD * index } };
      if (heap === "own") {
        const memory = link.reserve(HEAP, HEAP);
        link.map(memory, HEAP, PROT_READ | PROT_WRITE, { name: `compartment ${name} heap` });
        placed.heap = new Heap(memory);
      }
      return placed;
    });
    for (const compartment of state.compartments) {
      for (const member of compartment.objects) state.byObject.set(member, compartment);
    }
  });

  /** Constructors and destructors of a compartment run in it. */
  const gateArrays = weak((link, object) => {
    const compartment = link.state(key).byObject.get(object);
    if (compartment === undefined) return;
    const { initArray, finiArray } = object.elf.dynamic ?? {};
    for (const array of [initArray, finiArray]) {
      for (let at = 0; array && at < array.size; at += WORD) {
        const place = link.base(object) + array.vaddr + at;
        const target = link.readI64(place);
        if (target > 0) link.writeU64(place, gate(link, undefined, compartment, target));
      }
    }
  });

  /** Gives pages their keys, and makes gates executable. */
  const protect = weak((link, object) => {
    const state = link.state(key);
    if (object.isProgram) {
      for (const { place, key: number, heap } of state.compartments) {
        link.protect(place.area, AREA, PROT_READ | PROT_WRITE, number);
        if (heap !== undefined) {
          link.protect(heap.area, HEAP, PROT_READ | PROT_WRITE, number);
        }
        for (let region = 0; region < THREADS; region++) {
          const guard = place.area + REGION * region + link.pageSize;
          link.protect(guard, link.pageSize, PROT_NONE, number);
        }
      }
    }
    for (const { at, size } of state.chunks.splice(0)) {
      link.protect(at, size, PROT_READ | PROT_EXEC);
    }
    state.free = { at: 0, end: 0 };
    const compartment = state.byObject.get(object);
    if (compartment !== undefined) {
      for (const { at, size } of ownData(link, object)) {
        link.protect(at, size, PROT_READ | PROT_WRITE, compartment.key);
        link.counters.count(`compartments.pages.${compartment.name}`, size / link.pageSize);
      }
    }
    if (object !== state.words) {
      for (const segment of object.elf.loadSegments) {
        if ((segment.flags & PF_X) === 0) continue;
        const found = GATES[link.arch].changesOfRights(object.elf.segmentBytes(segment));
        link.counters.count("compartments.rights.changed.elsewhere", found);
      }
    }
  });

  /** The gate to a function of a compartment for callers in another, or in none. */
  function gate(
    link: LinkContext,
    from: Compartment | undefined,
    to: Compartment,
    target: number,
  ): number {
    const { rights, code } = GATES[link.arch];
    const spec = { target, to: to.place, from: from?.place, outside: rights(undefined) };
    return place(link, `${from?.index} ${to.index} ${target}`, (at) => code({ ...spec, at }));
  }

  /** What a library of a compartment with a heap of its own calls for a function of the C library's heap. */
  function heapFunction(
    link: LinkContext,
    { name: compartment, index, heap }: Compartment,
    name: string,
    target: number,
  ): number {
    const provided = `compartments.${compartment}.${name}`;
    const service = link.provide(provided, heapServices[index].get(name)!);
    if (Object.hasOwn(TAKES, name)) return service;
    const spec = { area: heap!.area, bits: Math.log2(HEAP), service, target };
    return place(link, provided, () => GATES[link.arch].heapCode(spec));
  }

  /** Places code, once for each `name`; its size does not depend on its address. */
  function place(link: LinkContext, name: string, code: (at: number) => Uint8Array): number {
    const state = link.state(key);
    let at = state.gates.get(name);
    if (at !== undefined) return at;
    const size = (code(state.free.at).length + 15) & ~15;
    if (state.free.end - state.free.at < size) {
      const rights = state.isRunning ? PROT_READ | PROT_EXEC : PROT_READ | PROT_WRITE;
      const chunk = link.allocate(CHUNK, rights, "compartment gates");
      if (!state.isRunning) state.chunks.push({ at: chunk, size: CHUNK });
      state.free = { at: chunk, end: chunk + CHUNK };
    }
    at = state.free.at;
    const bytes = code(at);
    if (state.isRunning) link.patch(at, bytes, "compartment gate");
    else link.write(at, bytes);
    state.free.at += size;
    state.gates.set(name, at);
    link.counters.count("compartments.gates");
    return at;
  }

  return {
    name: "compartments",
    needs: ["protection-keys"],
    register: (object) => {
      if (object.isProgram) {
        return {
          "collect": weak((link) =>
            void link.need(wordsObject(link.arch, link.pageSize, names.length))
          ),
          "post-collect": plan,
          "protect": protect,
          "start": weak((link) => void (link.state(key).isRunning = true)),
        };
      }
      if (object.elf.name === NAME) return { "load": weak(prepare.run) };
      return { "relocate": gateArrays, "protect": protect };
    },
    resolve: (lookup, next) => {
      const definition = next(lookup);
      if (definition === undefined) return undefined;
      const { link, from, key: { name } } = lookup;
      const { byObject } = link.state(key);
      const to = byObject.get(definition.object);
      const caller = byObject.get(from);
      const { address: behind, kind } = definition;
      if (to === undefined && caller?.heap !== undefined && heapServices[0].has(name)) {
        return { ...definition, address: heapFunction(link, caller, name, behind), behind };
      }
      if (to === undefined || to === caller) return definition;
      // Which implementation it is has to be known when the gate is made.
      const target = kind === "ifunc" ? chooseImplementation(link, behind) : behind;
      if ((kind !== "code" && kind !== "ifunc") || !isCode(link, definition)) {
        if (kind !== "tls") link.counters.count("compartments.references.ungated");
        return definition;
      }
      return { ...definition, kind: "code", address: gate(link, caller, to, target), behind };
    },
  };
}

function isNamed({ soname, path }: LinkObject, name: string): boolean {
  return soname === name || path === name || path.endsWith(`/${name}`);
}

/** Whether a definition lies in its object's code, and is not the linker's own. */
function isCode(link: LinkContext, { object, address }: Definition): boolean {
  const value = address - link.base(object);
  return object.elf.loadSegments.some(({ flags, vaddr, memsz }) =>
    (flags & PF_X) !== 0 && value >= vaddr && value < vaddr + memsz
  );
}

/** Whole pages of an object that stay writable. */
function ownData(link: LinkContext, { elf, base }: LinkObject): { at: number; size: number }[] {
  const found: { at: number; size: number }[] = [];
  for (const { flags, vaddr, memsz } of elf.loadSegments) {
    if ((flags & PF_W) === 0) continue;
    const { relro } = elf;
    const end = base! + vaddr + memsz;
    let start = base! + vaddr;
    if (relro !== undefined && relro.vaddr >= vaddr && relro.vaddr < vaddr + memsz) {
      start = base! + relro.vaddr + relro.size;
    }
    const at = pageUp(start, link.pageSize);
    const size = pageUp(end, link.pageSize) - at;
    if (size > 0) found.push({ at, size });
  }
  return found;
}

/** An object with a thread-local word for each compartment, and words with their offsets. */
function wordsObject(machine: ElfMachine, pageSize: number, count: number): ElfFile {
  const builder = new ElfBuilder({ machine, pageSize, soname: NAME });
  const regions = builder.section({
    name: ".tbss",
    access: "w",
    type: SHT_NOBITS,
    size: WORD * count,
    tls: true,
  });
  const slots = builder.section({
    name: ".data",
    access: "w",
    data: new Uint8Array(WORD * count),
  });
  builder.symbol({ name: "compartments.slots", section: slots, value: 0, size: WORD * count });
  const symbol = builder.symbol({
    name: "compartments.regions",
    section: regions,
    value: 0,
    size: WORD * count,
    type: STT_TLS,
  });
  for (let i = 0; i < count; i++) {
    const offset = WORD * i;
    builder.relocate({ section: slots, offset, type: TPOFF[machine], symbol, addend: offset });
  }
  return ElfFile.parse(builder.build(), NAME);
}
