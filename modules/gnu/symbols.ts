import {
  DT_STRTAB,
  DT_SYMTAB,
  type ElfSymbol,
  SHN_UNDEF,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_NOTYPE,
  STT_TLS,
  SYM_SIZE,
} from "../../lib/elf/mod.ts";
import {
  type Definition,
  type HostCall,
  type HostService,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { chooseImplementation } from "../sysv/ifunc.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { undefinedSymbol } from "../sysv/relocate.ts";
import { objectAt, ownerAt } from "./addresses.ts";
import { errorText, setError } from "./errors.ts";
import { patchWords, readString } from "./guest_memory.ts";
import { objectOfMap } from "./link_maps.ts";
import { extentOf } from "./map_layout.ts";
import { noteBinding } from "./resolve.ts";
import { scopeAfter, searchListOf } from "./scopes.ts";
import { gnuStateOf } from "./state.ts";

/** Handles that stand for a scope (`<dlfcn.h>`). */
const RTLD_DEFAULT = 0;
const RTLD_NEXT = -1;
/** What dladdr1 is asked for beside. */
const RTLD_DL_SYMENT = 1;
const RTLD_DL_LINKMAP = 2;

/** void *dlsym(void *handle, const char *name) */
export const dlsym: HostService = (call, link) => {
  const name = readString(link, call.argument(1));
  answerSymbol(call, link, name, undefined);
};

/** void *dlvsym(void *handle, const char *name, const char *version) */
export const dlvsym: HostService = (call, link) => {
  const name = readString(link, call.argument(1));
  answerSymbol(call, link, name, readString(link, call.argument(2)));
};

function answerSymbol(
  call: HostCall,
  link: LinkContext,
  name: string,
  version: string | undefined,
): void {
  try {
    const caller = ownerAt(link, call.returnAddress) ?? link.program;
    const { from, scope } = scopeOf(link, call.signed(0), caller);
    const definition = link.resolve(
      { name, version, versionHidden: version !== undefined, newest: true, from, use: "address" },
      scope,
    );
    if (definition === undefined) throw undefinedSymbol(link, from, name, version);
    // Only a search of the default scope ties the caller to what it finds.
    const isDefault = call.argument(0) === RTLD_DEFAULT;
    if (isDefault && definition.object.batch > 0) noteBinding(link, caller, definition.object);
    call.result(addressOf(link, call.threadPointer, definition));
  } catch (error) {
    setError(link, call.threadPointer, errorText(error));
    call.result(0);
  }
}

function scopeOf(
  link: LinkContext,
  handle: number,
  caller: LinkObject,
): { readonly from: LinkObject; readonly scope: readonly LinkObject[] } {
  if (handle === RTLD_DEFAULT) return { from: caller, scope: link.scope(caller) };
  if (handle === RTLD_NEXT) return { from: caller, scope: scopeAfter(link, caller) };
  const object = objectOfMap(link, handle);
  if (object === undefined) {
    throw loadFailure("", "invalid handle");
  }
  return { from: object, scope: searchListOf(link, object) };
}

/** The address that a definition has for a thread. */
function addressOf(link: LinkContext, thread: number, definition: Definition): number {
  const { object, address, kind } = definition;
  if (kind === "ifunc") return chooseImplementation(link, address);
  if (kind !== "tls") return address;
  const { blocks } = gnuStateOf(link);
  return blocks.blockOf(link, thread, blocks.numberOf(object)!) + address;
}

/** int dladdr(const void *address, Dl_info *info) */
export const dladdr: HostService = (call, link) => {
  call.result(describeAddress(link, call.argument(0), call.argument(1)) === undefined ? 0 : 1);
};

/** int dladdr1(const void *address, Dl_info *info, void **extra, int which) */
export const dladdr1: HostService = (call, link) => {
  const found = describeAddress(link, call.argument(0), call.argument(1));
  const which = call.argument(3);
  if (found !== undefined && which === RTLD_DL_SYMENT) {
    const table = found.object.elf.dynamic?.value(DT_SYMTAB);
    const entry = found.symbol === undefined || table === undefined
      ? 0
      : link.base(found.object) + table + found.symbol.index * SYM_SIZE;
    patchWords(link, call.argument(2), [entry], "dladdr1");
  } else if (found !== undefined && which === RTLD_DL_LINKMAP) {
    patchWords(link, call.argument(2), [gnuStateOf(link).maps.get(found.object)!], "dladdr1");
  }
  call.result(found === undefined ? 0 : 1);
};

/** Fills a Dl_info: file name, base, symbol name and address. */
function describeAddress(
  link: LinkContext,
  asked: number,
  info: number,
): { readonly object: LinkObject; readonly symbol: ElfSymbol | undefined } | undefined {
  const address = link.originalOf(asked);
  const object = objectAt(link, address);
  if (object === undefined) return undefined;
  const { landing, maps } = gnuStateOf(link);
  const name = object === link.program
    ? link.readI64(landing!.stackPointer + 8)
    : link.readI64(maps.get(object)! + 8);
  const symbol = symbolAt(object, address - link.base(object));
  const words = [name, extentOf(link, object).start, 0, 0];
  if (symbol !== undefined) {
    const names = object.elf.dynamic!.value(DT_STRTAB)!;
    words[2] = link.base(object) + names + object.elf.symbols!.nameIndex(symbol.index);
    words[3] = link.base(object) + symbol.value;
  }
  patchWords(link, info, words, "dladdr");
  return { object, symbol };
}

/** The dynamic symbol that an unrelocated address lies in, the one that begins last. */
function symbolAt({ elf }: LinkObject, address: number): ElfSymbol | undefined {
  const { symbols } = elf;
  let best: ElfSymbol | undefined;
  for (let index = 1; index < (symbols?.length ?? 0); index++) {
    const value = symbols!.value(index);
    if (value > address || (best !== undefined && value <= best.value)) continue;
    const type = symbols!.type(index);
    if (type === STT_TLS || symbols!.bind(index) === STB_LOCAL) continue;
    const undefinedSymbol = symbols!.shndx(index) === SHN_UNDEF;
    if (undefinedSymbol && value === 0) continue;
    const size = undefinedSymbol ? 0 : symbols!.size(index);
    if (size === 0 ? value === address : address < value + size) best = symbols!.at(index);
  }
  return best;
}

/**
 * What libc looks symbols up by: (name, map, symbol **reference, scope, version, type class). Answers with
 * a link map whose load bias added to the symbol's value is the address; -1 raises the error.
 */
export const rtldLookup: HostService = (call, link) => {
  const name = readString(link, call.argument(0));
  const object = objectOfMap(link, call.argument(1)) ?? link.program;
  const place = call.argument(2);
  const versionAt = call.argument(4);
  const version = versionAt === 0 ? undefined : readString(link, link.readI64(versionAt));
  const reference = link.readI64(place);
  const definition = link.resolve(
    { name, version, newest: version === undefined, from: object, use: "address" },
    searchListOf(link, object),
  );
  if (definition === undefined) {
    const isWeak = reference !== 0 && link.read(reference + 4, 1)[0] >>> 4 === STB_WEAK;
    if (isWeak) {
      patchWords(link, place, [0], "symbol lookup");
      return call.result(0);
    }
    const error = undefinedSymbol(link, object, name, version);
    setError(link, call.threadPointer, errorText(error));
    return call.result(-1);
  }
  const { heap, maps } = gnuStateOf(link);
  // A symbol of our own, for what the object's table does not say: the chosen implementation, a service.
  const map = maps.get(definition.object)!;
  const value = definition.kind === "tls"
    ? definition.address
    : addressOf(link, call.threadPointer, definition) - link.base(definition.object);
  const symbol = heap.words(link, [0, value, definition.size]);
  const type = definition.kind === "tls" ? STT_TLS : STT_NOTYPE;
  // st_info, st_other, st_shndx: any section.
  const bytes = Uint8Array.of((STB_GLOBAL << 4) | type, 0, 1, 0);
  link.patch(symbol + 4, bytes, "symbol lookup");
  patchWords(link, place, [symbol], "symbol lookup");
  call.result(map);
};
