import {
  type Architecture,
  type GuestFile,
  type GuestFiles,
  type HostFunction,
  type HugePage,
  type LinkTarget,
  LinkTargetError,
  type MapOptions,
  PROT_NONE,
  type Protection,
} from "../../../lib/linker/mod.ts";

const PAGE = 4096;

/** One page of the target: its bytes are made when first written or read. */
interface Page {
  protection: Protection;
  bytes: Uint8Array | undefined;
  source: MapOptions["source"];
  huge: HugePage | undefined;
}

export interface MemoryTargetOptions {
  /** Prefix of every file path on the host. */
  readonly root?: string;
  /** Files that exist beside those of the host, by guest path. */
  readonly overlay?: ReadonlyMap<string, Uint8Array>;
  /** Where an object of this many bytes goes; undefined leaves the choice to the target. */
  readonly choose?: (size: number, align: number) => number | undefined;
  readonly call?: (
    target: MemoryTarget,
    address: number,
    args: readonly (number | bigint)[],
  ) => number;
}

/** A LinkTarget without a machine: sparse pages in host memory, and the host's files. */
export class MemoryTarget implements LinkTarget {
  readonly pageSize = PAGE;
  readonly platform: string;
  readonly hwcap = 0x3;
  readonly hwcap2 = 0;
  readonly isaLevels: readonly string[] = [];
  readonly time = 0;
  readonly files: GuestFiles;
  readonly patches: { at: number; reason: string }[] = [];
  readonly #pages = new Map<number, Page>();
  readonly #reserved: { start: number; end: number }[] = [];
  #next = 0x7000_0000_0000;

  readonly landing = 0x2000_0000_0010;
  readonly threadPointers: readonly number[] = [];
  readonly processId = 1;

  objectsChanged(): void {}
  mentions(): ReadonlySet<number> {
    return new Set();
  }
  afterEachCall(): void {}

  print(): void {}

  allowCodeOnStacks(): void {}
  allocateKey(): undefined {}

  enter(): never {
    throw new LinkTargetError("nothing runs here");
  }

  constructor(readonly arch: Architecture, readonly options: MemoryTargetOptions = {}) {
    this.platform = arch;
    this.files = new HostFiles(options.root ?? "", options.overlay ?? new Map());
  }

  reserve(size: number, align: number, hint?: number): number {
    let at = hint ?? this.options.choose?.(size, align);
    if (at === undefined) {
      at = Math.ceil(this.#next / align) * align;
      this.#next = at + size + PAGE;
    }
    if (at % align !== 0 && hint === undefined) throw new LinkTargetError("misaligned choice");
    const end = at + size;
    if (this.#reserved.some((r) => r.start < end && at < r.end)) {
      throw new LinkTargetError(`0x${at.toString(16)} is taken`);
    }
    this.#reserved.push({ start: at, end });
    for (let page = at; page < end; page += PAGE) {
      this.#pages.set(page, {
        protection: PROT_NONE,
        bytes: undefined,
        source: undefined,
        huge: undefined,
      });
    }
    return at;
  }

  map(at: number, size: number, protection: Protection, options: MapOptions = {}): void {
    const unit = options.huge === "2M" ? 2 << 20 : PAGE;
    if (at % unit !== 0 || size % unit !== 0) throw new LinkTargetError("misaligned mapping");
    const { source, huge } = options;
    if (source !== undefined && source.offset % PAGE !== 0) {
      throw new LinkTargetError("misaligned file offset");
    }
    for (let done = 0; done < size; done += PAGE) {
      if (!this.#pages.has(at + done)) throw new LinkTargetError("mapping outside a reservation");
      const from = source && { file: source.file, offset: source.offset + done };
      this.#pages.set(at + done, { protection, bytes: undefined, source: from, huge });
    }
  }

  unmap(at: number, size: number): void {
    for (let page = at; page < at + size; page += PAGE) this.#pages.delete(page);
  }

  protect(at: number, size: number, protection: Protection): void {
    for (let page = at; page < at + size; page += PAGE) this.#page(page).protection = protection;
  }

  read(at: number, size: number): Uint8Array {
    const out = new Uint8Array(size);
    this.#each(at, size, (bytes, from, done, length) => {
      out.set(bytes.subarray(from, from + length), done);
    });
    return out;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#each(at, bytes.length, (page, from, done, length) => {
      page.set(bytes.subarray(done, done + length), from);
    });
  }

  patch(at: number, bytes: Uint8Array, reason: string): void {
    this.patches.push({ at, reason });
    this.write(at, bytes);
  }

  provide(_name: string, _handler: HostFunction): number {
    throw new LinkTargetError("this target runs nothing");
  }

  call(address: number, args: readonly (number | bigint)[]): number {
    if (this.options.call === undefined) throw new LinkTargetError("this target runs nothing");
    return this.options.call(this, address, args);
  }

  /** Everything accessible, as runs of pages of equal protection, in ascending order. */
  *regions(): Generator<{ at: number; protection: Protection; bytes: Uint8Array }> {
    const starts = [...this.#pages.keys()].filter((at) => this.#page(at).protection !== PROT_NONE)
      .sort((a, b) => a - b);
    for (let i = 0; i < starts.length;) {
      const { protection } = this.#page(starts[i]);
      let end = i + 1;
      while (
        end < starts.length && starts[end] === starts[end - 1] + PAGE &&
        this.#page(starts[end]).protection === protection
      ) end++;
      yield { at: starts[i], protection, bytes: this.read(starts[i], (end - i) * PAGE) };
      i = end;
    }
  }

  /** Rights of the page at an address; undefined if nothing is mapped. */
  protectionAt(at: number): Protection | undefined {
    return this.#pages.get(at - at % PAGE)?.protection;
  }

  /** Page size that backs an address. */
  pageSizeAt(at: number): "4K" | HugePage {
    return this.#page(at - at % PAGE).huge ?? "4K";
  }

  #page(at: number): Page {
    const page = this.#pages.get(at);
    if (page === undefined) throw new LinkTargetError(`0x${at.toString(16)} is not mapped`);
    return page;
  }

  #each(
    at: number,
    size: number,
    use: (bytes: Uint8Array, from: number, done: number, length: number) => void,
  ): void {
    for (let done = 0; done < size;) {
      const from = (at + done) % PAGE;
      const length = Math.min(PAGE - from, size - done);
      const page = this.#page(at + done - from);
      page.bytes ??= contentOf(page);
      use(page.bytes, from, done, length);
      done += length;
    }
  }
}

function contentOf({ source }: Page): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  if (source !== undefined) {
    bytes.set(source.file.bytes.subarray(source.offset, source.offset + PAGE));
  }
  return bytes;
}

/** The host's files below a folder, which their guest paths leave out. */
class HostFiles implements GuestFiles {
  constructor(
    readonly root: string,
    readonly overlay: ReadonlyMap<string, Uint8Array>,
  ) {}

  open(path: string): GuestFile | undefined {
    const extra = this.overlay.get(path);
    if (extra !== undefined) {
      return { path, realPath: path, identity: `overlay:${path}`, executable: true, bytes: extra };
    }
    try {
      const host = this.root + path;
      const info = Deno.statSync(host);
      if (!info.isFile) return undefined;
      const real = Deno.realPathSync(host);
      return {
        path,
        realPath: real.startsWith(this.root) ? real.slice(this.root.length) : real,
        identity: `${info.dev}:${info.ino}`,
        executable: ((info.mode ?? 0) & 0o111) !== 0,
        bytes: Deno.readFileSync(host),
      };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      if (error instanceof Deno.errors.NotADirectory) return undefined;
      throw error;
    }
  }

  exists(path: string): boolean {
    return this.open(path) !== undefined;
  }

  readlink(path: string): string | undefined {
    try {
      return Deno.readLinkSync(this.root + path);
    } catch {
      return undefined;
    }
  }
}
