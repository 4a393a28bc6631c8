import { ElfBuilder, ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** Guest code as named parts in order, each its bytes in hexadecimal. */
export type RuntimeCode = Readonly<Record<Architecture, Readonly<Record<string, string>>>>;

/** The object that holds the loader's own guest code. */
export class Runtime {
  private constructor(readonly object: LinkObject) {}

  /** Makes the object and asks for it as a dependency. */
  static collect(link: LinkContext, code: RuntimeCode): Runtime {
    // Parsed anew each time: a link knows its in-memory objects by identity.
    return new Runtime(link.need(ElfFile.parse(image(code, link.arch), "[linker-runtime]")));
  }

  /** Guest address of a part. */
  address(link: LinkContext, part: string): number {
    const symbol = this.object.elf.lookup(symbolOf(part));
    if (symbol === undefined) throw new LinkError(`the loader's guest code has no ${part}`);
    return link.base(this.object) + symbol.value;
  }

  /** Writes the word that is a part. */
  set(link: LinkContext, part: string, value: number): void {
    link.writeU64(this.address(link, part), value);
  }
}

/** The runtime object of a link whose program the System V module collected. */
export function runtimeOf(link: LinkContext): Runtime {
  const { runtime } = stateOf(link);
  if (runtime === undefined) throw new LinkError("the System V module did not collect the program");
  return runtime;
}

/** Names with a dot, which no program's reference can be looking for. */
function symbolOf(part: string): string {
  return `linker.${part}`;
}

const images = new WeakMap<RuntimeCode, Map<Architecture, Uint8Array>>();

/** The object's file: one section of code with a symbol for each of its parts. */
function image(code: RuntimeCode, arch: Architecture): Uint8Array {
  let made = images.get(code);
  if (made === undefined) images.set(code, made = new Map());
  let bytes = made.get(arch);
  if (bytes === undefined) made.set(arch, bytes = build(code, arch));
  return bytes;
}

function build(code: RuntimeCode, arch: Architecture): Uint8Array {
  const builder = new ElfBuilder({ machine: arch, pageSize: 0x1000 });
  const parts = Object.entries(code[arch]);
  const data = Uint8Array.from(
    parts.map(([, code]) => code).join("").match(/../g)!,
    (byte) => parseInt(byte, 16),
  );
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  let value = 0;
  for (const [part, code] of parts) {
    const size = code.length / 2;
    builder.symbol({ name: symbolOf(part), section, value, size, type: STT_FUNC });
    value += size;
  }
  return builder.build();
}
