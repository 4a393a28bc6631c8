import { ET_EXEC } from "../../lib/elf/mod.ts";
import {
  exclusive,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type StateKey,
  weak,
} from "../../lib/linker/mod.ts";
import { randomNumbers } from "../layout_randomisation.ts";
import { placeTogether } from "../placement.ts";
import { Copier, type Copy, type Write } from "../reorder/copy.ts";
import {
  buildHotObject,
  type Chosen,
  frameHeader,
  frameStarts,
  type HotObject,
} from "../reorder/hot_object.ts";
import { surveyOf } from "../reorder/survey.ts";
import { load } from "../sysv/load.ts";
import { Room } from "./room.ts";

/** Options of `rerandomisation`: which functions move, and when. */
export interface RerandomisationOptions {
  /** Libraries whose functions move, by soname, file name or path; `program` is the program itself. */
  readonly libraries: readonly string[];
  /** System calls from one move to the next; default 1000. Infinity: only when a script says. */
  readonly every?: number;
  /** Decides every place; default 1. */
  readonly seed?: number;
  /** Bytes of the area in which the functions of a library lie; default 16 MiB. */
  readonly area?: number;
}

/** The module, and what a script moves by. */
export interface Rerandomisation extends Module {
  /** Moves at the end of the next system call of every process. */
  move(): void;
}

/** Functions of one library that move. */
interface Moving {
  readonly object: LinkObject;
  readonly copier: Copier;
  readonly hot: HotObject;
  readonly room: Room;
}

interface State {
  readonly hot: Map<LinkObject, HotObject>;
  readonly moving: readonly Moving[];
  readonly random: (limit: number) => number;
  end: number | undefined;
  /** System calls since the last move, and the moves that scripts had asked for at it. */
  calls: number;
  asked: number;
}

/** INT3 and BRK #0. */
const TRAP = { x86_64: [0xcc], aarch64: [0, 0, 0x20, 0xd4] };
const RETURNS_TWICE = /setjmp|getcontext|^vfork$/;

/**
 * Moves functions of libraries to other places while the program runs. Each has one copy at a random place of a large
 * area, which is what runs; in the place of the original there is a jump, for who has its address, and traps. After so
 * many system calls every function moves that no word of the program's memory or registers points into, and traps are
 * left where it was. See docs/modules/rerandomisation.md.
 */
export function rerandomisation(options: RerandomisationOptions): Rerandomisation {
  const { libraries, every = 1000, seed = 1, area = 2 ** 24 } = options;
  let asked = 0;
  const key: StateKey<State> = {
    create: (link) => ({
      hot: new Map(),
      moving: [],
      random: randomNumbers(seed, link.processId),
      end: undefined,
      calls: 0,
      asked,
    }),
    fork: (state, link) => ({
      ...state,
      random: randomNumbers(seed, link.processId),
      moving: state.moving.map(forkOf),
    }),
  };

  const collect = weak((link, object) => {
    const { hot, random } = link.state(key);
    const chosen = choose(link, object);
    const room = new Room(area);
    if (chosen.reduce((sum, { size }) => sum + size, 0) * 4 > area) {
      throw new LinkError(`its functions take more than a quarter of area=${area}`);
    }
    for (const one of chosen) one.copy = room.take(one.size, one.start, random);
    const name = `[moving text of ${object.soname}]`;
    const built = buildHotObject(link.arch, chosen, { pageSize: link.pageSize, name, area });
    hot.set(link.need(built.elf), built);
  });

  const place = weak((link) => {
    const state = link.state(key);
    const missing = libraries.find((name) => !link.batch.some((object) => isNamed(object, name)));
    if (missing !== undefined) {
      throw new LinkError(`the program does not load ${missing}, which is to move`);
    }
    if (!link.batch.some((object) => link.isPlaced(object))) {
      state.end = placeTogether(link, link.batch);
    }
  });

  const begin = weak((link, object) => {
    if (object !== link.batch.at(-1)) return;
    const state = link.state(key);
    const write: Write = (at, bytes) => link.write(at, bytes);
    const moving: Moving[] = [];
    for (const [object, hot] of state.hot) {
      const copier = Copier.of(link, object, hot);
      const room = new Room(area);
      for (const { function: one } of copier.copies) room.occupy(one.copy - hot.text, one.size);
      moving.push({ object, copier, hot, room });
      copier.writeFramePointers(link, write);
      copier.count(link, "rerandomisation");
      for (const copy of copier.copies) {
        write(copy.from, traps(link, copy.original.length));
        copier.writeEntry(link, copy, write);
      }
      copier.writeCopies(link, write);
      copier.writeSlots(write);
    }
    (state as { moving: readonly Moving[] }).moving = moving;
  });

  const start = weak((link, program) => {
    const { end } = link.state(key);
    if (end !== undefined && program.elf.header.type !== ET_EXEC) link.begin({ heap: end });
    link.afterEachCall((link) => {
      const state = link.state(key);
      if (++state.calls < every && state.asked === asked) return;
      state.calls = 0;
      state.asked = asked;
      for (const moving of state.moving) moveFunctions(link, moving, state.random);
    });
  });

  return {
    name: "rerandomisation",
    settings: { libraries: libraries.join("+"), every, seed, area },
    move: () => void asked++,
    register: (object, pipeline) => {
      if (object.batch > 0) return {};
      const isPlaced = pipeline.main("load") !== "sysv";
      return {
        ...!isPlaced && { "load": exclusive(load) },
        ...libraries.some((name) => isNamed(object, name)) && { collect },
        ...object.isProgram && { "post-collect": place, start },
        "post-relocate": begin,
      };
    },
  };
}

function isNamed(object: LinkObject, name: string): boolean {
  if (name === "program") return object.isProgram;
  return object.soname === name || object.path === name || object.path.endsWith(`/${name}`);
}

/** The same functions, to be moved by themselves. */
function forkOf({ object, copier, hot, room }: Moving): Moving {
  const twins = new Map(hot.functions.map((one) => [one, { ...one }]));
  const own = {
    ...hot,
    functions: [...twins.values()],
    frames: hot.frames.map((frame) => ({ ...frame, of: frame.of && twins.get(frame.of) })),
  };
  return { object, copier: copier.with(own, twins), hot: own, room: room.copy() };
}

/** The functions of an object that can move, because nothing needs their originals. */
function choose(link: LinkContext, object: LinkObject): Chosen[] {
  const survey = surveyOf(object.elf);
  const chosen: Chosen[] = [];
  const stays = (reason: string) =>
    link.counters.count(`rerandomisation.functions.stay.${reason.replaceAll(" ", "_")}`);
  for (const start of survey.starts) {
    if (survey.image.isTable(start)) continue;
    const movable = survey.movable(start);
    if (typeof movable === "string") stays(movable);
    else if (!movable.isClosed) stays("something may lead into it");
    else if (survey.calls(movable, RETURNS_TWICE)) stays("it calls what returns twice");
    else {
      const name = `0x${start.toString(16)}`;
      chosen.push({
        ...{ ...movable, survey, name, object: object.path, instructions: 0 },
        ...{ copy: 0, tables: [] },
      });
    }
  }
  return chosen;
}

function traps(link: LinkContext, size: number): Uint8Array {
  const trap = TRAP[link.arch];
  return Uint8Array.from({ length: size }, (_, i) => trap[i % trap.length]);
}

/** Moves what nothing points into. */
function moveFunctions(
  link: LinkContext,
  { object, copier, hot, room }: Moving,
  random: (limit: number) => number,
): void {
  const { counters } = link;
  const base = link.base(object);
  const write: Write = (at, bytes) => link.patch(at, bytes, "rerandomisation");
  // The linker's own words hold nothing.
  copier.resetSlots(write);
  const held = [...link.mentions(base + hot.text, base + hot.text + room.size)].sort((a, b) =>
    a - b
  );
  const isHeld = (copy: Copy): boolean => {
    const from = copier.placeOf(copy);
    // A return address may be that of the byte after the last call.
    const to = from + copy.original.length;
    return held.some((address) => address >= from && address <= to);
  };
  const free = copier.copies.filter((copy) => !isHeld(copy));
  for (const { function: one } of free) {
    write(base + one.copy, traps(link, one.size));
    room.release(one.copy - hot.text, one.size);
    one.copy = hot.text + room.take(one.size, one.start, random);
  }
  copier.writeCopies(link, write);
  copier.writeSlots(write);
  for (const copy of free) copier.writeEntry(link, copy, write);
  for (const { at, distance } of frameStarts(hot)) {
    write(base + at, new Uint8Array(Int32Array.of(distance).buffer));
  }
  write(base + hot.header, frameHeader(hot));
  counters.count("rerandomisation.moves");
  counters.count("rerandomisation.moved", free.length);
  counters.count("rerandomisation.held", copier.copies.length - free.length);
}
