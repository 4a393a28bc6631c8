import {
  EHDR_SIZE,
  ELFCLASS64,
  ELFDATA2LSB,
  ElfFile,
  EM_AARCH64,
  EM_X86_64,
  ET_DYN,
  EV_CURRENT,
  PF_R,
  PF_X,
  PHDR_SIZE,
  PT_LOAD,
} from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type Definition,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { RUNTIME_CODE, type RuntimePart } from "./runtime_code.ts";
import { stateOf } from "./state.ts";

/** Functions that programs expect of the loader, by name. */
const SERVICES: Record<string, RuntimePart> = { __tls_get_addr: "tls_get_addr" };

/** The object that holds the loader's own guest code. */
export class Runtime {
  readonly #offsets: ReadonlyMap<RuntimePart, number>;

  private constructor(readonly object: LinkObject, offsets: ReadonlyMap<RuntimePart, number>) {
    this.#offsets = offsets;
  }

  /** Makes the object and asks for it as a dependency. */
  static collect(link: LinkContext): Runtime {
    const { elf, offsets } = runtimeImage(link.arch);
    return new Runtime(link.need(elf), offsets);
  }

  address(link: LinkContext, part: RuntimePart): number {
    return link.base(this.object) + this.#offsets.get(part)!;
  }

  /** The loader's definition of a symbol, if it is one of its services. */
  service(link: LinkContext, name: string): Definition | undefined {
    if (!Object.hasOwn(SERVICES, name)) return undefined;
    const address = this.address(link, SERVICES[name]);
    return { object: this.object, address, size: 0, kind: "code", weak: false };
  }
}

/** The runtime object of a link whose program the System V module collected. */
export function runtimeOf(link: LinkContext): Runtime {
  const { runtime } = stateOf(link);
  if (runtime === undefined) throw new LinkError("the System V module did not collect the program");
  return runtime;
}

const images = new Map<
  Architecture,
  { bytes: Uint8Array; offsets: ReadonlyMap<RuntimePart, number> }
>();

/** An ELF object of one executable segment that holds headers and code. */
function runtimeImage(
  arch: Architecture,
): { elf: ElfFile; offsets: ReadonlyMap<RuntimePart, number> } {
  let image = images.get(arch);
  if (image === undefined) images.set(arch, image = buildImage(arch));
  // Parsed anew each time: a link knows its in-memory objects by identity.
  return { elf: ElfFile.parse(image.bytes, "[linker-runtime]"), offsets: image.offsets };
}

function buildImage(arch: Architecture) {
  const offsets = new Map<RuntimePart, number>();
  const bytes: number[] = new Array((EHDR_SIZE + PHDR_SIZE + 63) & ~63).fill(0);
  for (const [part, hex] of Object.entries(RUNTIME_CODE[arch])) {
    offsets.set(part as RuntimePart, bytes.length);
    for (let i = 0; i < hex.length; i += 2) bytes.push(parseInt(hex.slice(i, i + 2), 16));
  }
  const view = new DataView(new ArrayBuffer(bytes.length));
  const file = new Uint8Array(view.buffer);
  file.set(bytes);
  file.set([0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA2LSB, EV_CURRENT]);
  view.setUint16(16, ET_DYN, true);
  view.setUint16(18, arch === "x86_64" ? EM_X86_64 : EM_AARCH64, true);
  view.setUint32(20, EV_CURRENT, true);
  view.setUint32(32, EHDR_SIZE, true); // e_phoff
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, 1, true); // e_phnum
  view.setUint32(EHDR_SIZE, PT_LOAD, true);
  view.setUint32(EHDR_SIZE + 4, PF_R | PF_X, true);
  view.setUint32(EHDR_SIZE + 32, file.length, true); // p_filesz
  view.setUint32(EHDR_SIZE + 40, file.length, true); // p_memsz
  view.setUint32(EHDR_SIZE + 48, 0x1000, true); // p_align
  return { bytes: file, offsets };
}
