import { ElfBuilder, ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** Name of the object with the loader's own guest code. */
export const RUNTIME_NAME = "[linker-runtime]";

/** Guest code as named parts in order, each its bytes in hexadecimal. */
export type RuntimeCode = Readonly<Record<Architecture, Readonly<Record<string, string>>>>;

/** The object that holds the loader's own guest code, and the table of it that is in use. */
export class Runtime {
  private constructor(
    readonly object: LinkObject,
    readonly codes: readonly RuntimeCode[],
    readonly used: number,
  ) {}

  /** Makes an object of one or more tables and asks for it as a dependency; the first is in use. */
  static collect(link: LinkContext, codes: readonly RuntimeCode[]): Runtime {
    // Parsed anew each time: a link knows its in-memory objects by identity.
    const object = link.need(ElfFile.parse(image(codes, link.arch, link.pageSize), RUNTIME_NAME));
    return new Runtime(object, codes, 0);
  }

  /** The same object with another of its tables in use. */
  using(code: RuntimeCode): Runtime {
    return new Runtime(this.object, this.codes, this.codes.indexOf(code));
  }

  /** Guest address of a part. */
  address(link: LinkContext, part: string): number {
    const symbol = this.object.elf.lookup(symbolOf(this.used, part));
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
function symbolOf(table: number, part: string): string {
  return table === 0 ? `linker.${part}` : `linker.${table}.${part}`;
}

const images = new WeakMap<RuntimeCode, Map<string, Uint8Array>>();

/** The object's file, made once. */
function image(
  codes: readonly RuntimeCode[],
  arch: Architecture,
  pageSize: number,
): Uint8Array {
  // The last table tells the lists apart.
  const last = codes[codes.length - 1];
  let made = images.get(last);
  if (made === undefined) images.set(last, made = new Map());
  const key = `${arch} ${pageSize} ${codes.length}`;
  let bytes = made.get(key);
  if (bytes === undefined) made.set(key, bytes = build(codes, arch, pageSize));
  return bytes;
}

/** One section of code, with a symbol for each part of each table. */
function build(
  codes: readonly RuntimeCode[],
  arch: Architecture,
  pageSize: number,
): Uint8Array {
  const builder = new ElfBuilder({ machine: arch, pageSize });
  const parts = codes.flatMap((code, table) =>
    Object.entries(code[arch]).map(([part, hex]) => ({ name: symbolOf(table, part), hex }))
  );
  const data = Uint8Array.from(
    parts.map(({ hex }) => hex).join("").match(/../g)!,
    (byte) => parseInt(byte, 16),
  );
  const section = builder.section({ name: ".text", access: "x", align: 16, data });
  let value = 0;
  for (const { name, hex } of parts) {
    const size = hex.length / 2;
    builder.symbol({ name, section, value, size, type: STT_FUNC });
    value += size;
  }
  return builder.build();
}
