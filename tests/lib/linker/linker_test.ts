import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  imageExtent,
  type LinkContext,
  Linker,
  LinkError,
  type LinkObject,
  type Module,
  type Phase,
  PHASES,
  type Registration,
  strong,
  weak,
} from "../../../lib/linker/mod.ts";
import { ElfFile } from "../../../lib/elf/mod.ts";
import { MemoryTarget } from "./memory_target.ts";

const guests = new URL("../../guests/prebuilt/x86_64/", import.meta.url).pathname;
const program = `${guests}hello`;
const library = `${guests}many/lib/libtiny.so`;

/** A module that places every object and maps nothing: the least a link needs. */
const placing: Module = {
  name: "placing",
  register: () => ({
    load: strong((link, object) => link.place(object, link.reserve(4096, 4096))),
  }),
};

/** A module of passes for every object. */
function module(name: string, registration: Registration, rest: Partial<Module> = {}): Module {
  return { name, register: () => registration, ...rest };
}

function linker(...modules: Module[]): Linker {
  return new Linker(new MemoryTarget("x86_64"), { modules });
}

async function failure(promise: Promise<unknown>): Promise<LinkError> {
  return await assertRejects(() => promise, LinkError);
}

Deno.test("phases run in order over the objects, relocate backwards, start for the program", async () => {
  const seen: string[] = [];
  const everything = Object.fromEntries(PHASES.map((phase) => [
    phase,
    weak((_link, object) => {
      seen.push(`${phase} ${object.soname}`);
    }),
  ]));
  const collecting: Module = {
    name: "collecting",
    register: (object) => {
      seen.push(`register ${object.soname}`);
      return object.isProgram
        ? {
          collect: strong((link) => {
            link.need(library);
          }),
        }
        : {};
    },
  };
  await linker(placing, collecting, module("recorder", everything)).link(program);
  const both = (phase: string) => [`${phase} hello`, `${phase} libtiny.so`];
  assertEquals(seen, [
    "register hello",
    "collect hello",
    "register libtiny.so",
    "collect libtiny.so",
    ...["post-collect", "load", "post-load"].flatMap(both),
    ...both("relocate").reverse(),
    ...["post-relocate", "protect", "post-protect"].flatMap(both),
    "start hello",
  ]);
});

Deno.test("a later strong pass overrides, weak passes all run, in module order", async () => {
  const ran: string[] = [];
  const note = (name: string) => () => {
    ran.push(name);
  };
  await linker(
    placing,
    module("a", { "post-load": weak(note("a")) }),
    module("b", { "post-load": strong(note("b")) }),
    module("c", { "post-load": strong(note("c")) }),
    module("d", { "post-load": weak(note("d")) }),
  ).link(program);
  assertEquals(ran, ["a", "c", "d"]);
});

Deno.test("a module sees the modules before it and how they registered", async () => {
  const views: string[] = [];
  const looking = (name: string, registration: Registration): Module => ({
    name,
    register: (_object, pipeline) => {
      const before = pipeline.preceding.map(({ name, passes }) =>
        `${name}${JSON.stringify(passes)}`
      );
      views.push(`${name}: ${before.join(" ")} main=${pipeline.main("load")}`);
      return registration;
    },
  });
  await linker(
    placing,
    looking("one", { protect: weak(() => {}) }),
    looking("two", {}),
  ).link(program);
  assertEquals(views, [
    `one: placing{"load":"strong"} main=placing`,
    `two: placing{"load":"strong"} one{"protect":"weak"} main=placing`,
  ]);
});

Deno.test("breaking a barrier is a LinkError naming phase, module and object", async () => {
  const attempts: [Phase, (link: LinkContext, object: LinkObject) => void, string][] = [
    ["post-collect", (link) => void link.need(library), "after the collect phase"],
    ["collect", (link) => void link.reserve(4096, 4096), "before the post-collect phase"],
    ["post-load", (link) => link.map(0, 4096, 1), "after the load phase"],
    ["relocate", (link, object) => link.place(object, 0), "after the load phase"],
    ["protect", (link) => link.writeU64(0, 1), "after the post-relocate phase"],
    ["post-protect", (link) => link.write(0, new Uint8Array(1)), "after the post-relocate phase"],
    ["protect", (link) => void link.allocate(1, 3, "late"), "after the post-relocate phase"],
    ["post-collect", (link) => link.protect(0, 4096, 1), "before the load phase"],
    ["load", (link) => link.begin({ entry: 1 }), "before the start phase"],
    ["load", (link, object) => link.place(object, 0), "already placed"],
  ];
  for (const [phase, run, problem] of attempts) {
    const error = await failure(
      linker(placing, module("rude", { [phase]: weak(run) })).link(program),
    );
    assertEquals(error.where, { phase, module: "rude", object: program });
    assertStringIncludes(error.message, problem);
  }
});

Deno.test("what a pass throws becomes a LinkError with its cause; promises are awaited", async () => {
  const late = module("late", {
    load: weak(async () => {
      await Promise.resolve();
      throw new RangeError("too late");
    }),
  });
  const error = await failure(linker(placing, late).link(program));
  assertEquals(error.message, `load: late: ${program}: too late`);
  assertEquals((error.cause as Error).name, "RangeError");
});

Deno.test("a failing registration and an unknown phase are LinkErrors", async () => {
  const throwing: Module = {
    name: "throwing",
    register: () => {
      throw new Error("no");
    },
  };
  const first = await failure(linker(throwing).link(program));
  assertEquals(first.message, `register: throwing: ${program}: no`);
  const wrong = module("wrong", { "pre-load": weak(() => {}) } as Registration);
  const second = await failure(linker(wrong).link(program));
  assertEquals(second.message, `register: wrong: ${program}: "pre-load" is not a phase`);
});

Deno.test("objects made in memory are registered and linked like files", async () => {
  const made = ElfFile.parse(Deno.readFileSync(library), "made.so");
  const making: Module = {
    name: "making",
    register: (object) =>
      object.isProgram
        ? {
          collect: strong((link) => {
            assertEquals(link.need(made), link.need(made));
          }),
        }
        : {},
  };
  const { objects, plan } = await linker(placing, making).link(program);
  assertEquals(objects.map((object) => object.path), [program, "made.so"]);
  assertEquals(objects[0].dependencies, [objects[1]]);
  assertStringIncludes(plan.toString(), "made.so\n  load           placing");
});

Deno.test("one file is one object however it is named; another machine's is refused", async () => {
  const twice = (path: string) =>
    module("twice", {
      collect: weak((link, object) => {
        if (object.isProgram) {
          link.need(library);
          link.need(path);
        }
      }),
    });
  const same = library.replace("/lib/", "/../many/lib/");
  assertEquals((await linker(placing, twice(same)).link(program)).objects.length, 2);
  const foreign = library.replace("/x86_64/", "/aarch64/");
  const error = await failure(linker(placing, twice(foreign)).link(program));
  assertStringIncludes(error.message, "is for aarch64, not x86_64");
  const missing = await failure(linker(placing, twice("/none")).link(program));
  assertStringIncludes(missing.message, "/none: no such file");
});

Deno.test("resolution asks the modules object by object, the last module first", async () => {
  const asked: string[] = [];
  const needing = module("needing", {
    collect: weak((link, object) => void (object.isProgram && link.need(library))),
    relocate: weak((link, object) => {
      if (!object.isProgram) return;
      const definition = link.resolve({ name: "speak", from: object, use: "call" });
      asked.push(`${definition?.object.soname} ${definition?.address}`);
      asked.push(`${link.resolve({ name: "mute", from: object, use: "call" })}`);
    }),
  });
  // A module that understands a kind of object that no other does.
  const language = module("language", {}, {
    resolve: ({ key, candidate }) => {
      asked.push(`language ${candidate.soname} ${key.name}`);
      if (key.name !== "speak" || candidate.soname !== "libtiny.so") return undefined;
      return { object: candidate, address: 100, size: 0, kind: "code", weak: false };
    },
  });
  // One that changes an answer it did not give.
  const decorator = module("decorator", {}, {
    resolve: (lookup, next) => {
      const definition = next(lookup);
      return definition && { ...definition, address: definition.address + 1 };
    },
  });
  const { counters } = await linker(placing, needing, language, decorator).link(program);
  assertEquals(asked, [
    "language hello speak",
    "language libtiny.so speak",
    "libtiny.so 101",
    "language hello mute",
    "language libtiny.so mute",
    "undefined",
  ]);
  assertEquals(counters.lookups, 2);
});

Deno.test("the plan prints every pass, and its hash tells plans apart", async () => {
  const extra = module("extra", { load: strong(placeAgain), protect: weak(() => {}) });
  function placeAgain(link: LinkContext, object: LinkObject): void {
    link.place(object, link.reserve(8192, 4096));
  }
  const first = await linker(placing, extra).collect(program);
  assertEquals(
    first.toString(),
    `${program}\n  load           (placing) extra\n  protect        +extra`,
  );
  assertEquals(await first.hash(), await (await linker(placing, extra).collect(program)).hash());
  const second = await linker(extra, placing).collect(program);
  assertNotEquals(await first.hash(), await second.hash());
  assertEquals((await first.hash()).length, 64);
});

Deno.test("a later batch has its own barriers and leaves the first alone", async () => {
  const seen: string[] = [];
  const recorder = module("recorder", {
    "post-load": weak((link, object) => {
      seen.push(`${object.soname} ${object.batch} ${link.batch.length}/${link.objects.length}`);
    }),
    "start": weak(() => void seen.push("start")),
  });
  const one = linker(placing, recorder);
  await one.link(program);
  const [opened] = await one.open([library]);
  assertEquals(seen, ["hello 0 1/1", "start", "libtiny.so 1 1/2"]);
  assertEquals(await one.open([library]), [opened]);
  const move = module("move", {
    load: weak((link, object) => {
      if (object.batch === 1) link.place(link.program, 0);
    }),
  });
  const two = linker(placing, move);
  await two.link(program);
  assertStringIncludes((await failure(two.open([library]))).message, "already placed");
});

Deno.test("writes reach the target, across pages and in two's complement, and pages are counted", async () => {
  const target = new MemoryTarget("x86_64");
  let at = 0;
  const writing = module("writing", {
    load: strong((link, object) => {
      at = link.reserve(3 * 4096, 4096);
      link.place(object, at);
      link.map(at, 3 * 4096, 3);
      link.writeU64(at + 4092, -2);
      link.writeInteger(at + 4101, 2, 0x12345);
      link.writeU64(at + 8, 0x1234_5678_9abc);
      assertEquals(link.readI64(at + 4092), -2);
    }),
  });
  const { counters } = await new Linker(target, { modules: [writing] }).link(program);
  assertEquals([counters.pagesDirtied, counters.bytesMapped], [2, 3 * 4096]);
  assertEquals([...target.read(at + 4090, 13)], [
    ...[0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x45, 0x23],
  ]);
  assertEquals([...target.read(at + 8, 8)], [0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0]);
});

Deno.test("address space set aside for a batch is given back with the last object in it, or if it fails", async () => {
  const target = new MemoryTarget("x86_64");
  let link!: LinkContext;
  let area = 0;
  const sharing = module("sharing", {
    "collect": weak((context, object) => {
      if (object.path === library) context.need(`${guests}many/lib/libm00.so`);
    }),
    "post-collect": weak((context, object) => {
      link = context;
      if (object !== context.batch[0]) return;
      area = context.reserve(2 ** 20, 4096);
      for (const [index, member] of context.batch.entries()) {
        const { start } = imageExtent(member.elf, 4096)!;
        context.place(member, area + index * 2 ** 18 - start);
      }
    }),
    "load": strong(() => {}),
  });
  const failing = module("failing", {
    relocate: weak((_link, object) => {
      if (object.soname === "libtiny.so" && fails) throw new LinkError("no");
    }),
  });
  let fails = false;
  const late = new Linker(target, { modules: [sharing, failing] });
  const { start } = await late.link(program);
  assertEquals(start.heap, area + 2 ** 20);
  await late.open([library]);
  const [, ...opened] = link.objects;
  assertEquals(opened.length, 2);
  link.unload([opened[0]]);
  assertEquals(target.protectionAt(area), 0);
  link.unload([opened[1]]);
  assertEquals(target.protectionAt(area), undefined);
  assertEquals(target.protectionAt(area + 2 ** 20 - 1), undefined);
  fails = true;
  const before = area;
  await failure(late.open([library]));
  assertNotEquals(area, before);
  assertEquals(target.protectionAt(area), undefined);
});

Deno.test("a library may be a module's own, the last module's; counts may be of a domain of their own", async () => {
  const elves = [library, program].map((path) => ElfFile.parse(Deno.readFileSync(path), path));
  const found: (ElfFile | undefined)[] = [];
  const having = (index: number) =>
    module(`having ${index}`, {}, {
      library: (name) => name === "own.so" ? elves[index] : undefined,
    });
  const asking = module("asking", {
    "collect": weak((link) => {
      found.push(link.library("own.so"), link.library("other.so"));
      link.counters.count("asked", 2, "mine");
      link.counters.count("asked");
    }),
  });
  const { counters } = await linker(placing, asking, having(0), having(1)).link(program);
  assertEquals(found, [elves[1], undefined]);
  assertEquals([counters.flat()["mine.asked"], counters.flat()["linker.asked"]], [2, 1]);
});
