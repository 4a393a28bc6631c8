import { ElfBuilder, ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type Definition,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { RUNTIME_CODE, type RuntimePart } from "./runtime_code.ts";
import { stateOf } from "./state.ts";

/** The function that programs expect of the loader itself. */
const SERVICE = "__tls_get_addr";

/** The object that holds the loader's own guest code. */
export class Runtime {
  private constructor(readonly object: LinkObject) {}

  /** Makes the object and asks for it as a dependency. */
  static collect(link: LinkContext): Runtime {
    // Parsed anew each time: a link knows its in-memory objects by identity.
    return new Runtime(link.need(ElfFile.parse(image(link.arch), "[linker-runtime]")));
  }

  address(link: LinkContext, part: RuntimePart): number {
    return link.base(this.object) + this.object.elf.lookup(symbolOf(part))!.value;
  }

  /** The loader's definition of a symbol, if it is its to define. */
  service(link: LinkContext, name: string): Definition | undefined {
    if (name !== SERVICE) return undefined;
    const address = this.address(link, "tls_get_addr");
    return { object: this.object, address, size: 0, kind: "code", weak: false };
  }
}

/** The runtime object of a link whose program the System V module collected. */
export function runtimeOf(link: LinkContext): Runtime {
  const { runtime } = stateOf(link);
  if (runtime === undefined) throw new LinkError("the System V module did not collect the program");
  return runtime;
}

/** Names with a dot, which no program's reference can be looking for. */
function symbolOf(part: RuntimePart): string {
  return `linker.${part}`;
}

const images = new Map<Architecture, Uint8Array>();

/** The object's file: one section of code with a symbol for each of its parts. */
function image(arch: Architecture): Uint8Array {
  let bytes = images.get(arch);
  if (bytes === undefined) images.set(arch, bytes = build(arch));
  return bytes;
}

function build(arch: Architecture): Uint8Array {
  const builder = new ElfBuilder({ machine: arch, pageSize: 0x1000 });
  const parts = Object.entries(RUNTIME_CODE[arch]) as [RuntimePart, string][];
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
