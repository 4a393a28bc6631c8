import { type HostService, type LinkContext, LinkError } from "../../lib/linker/mod.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import { dlerror, takeError } from "./errors.ts";
import { dlinfo, dropHeaders, findMap, findObject, listHeaders } from "./info.ts";
import { bindSlot } from "./lazy.ts";
import { symbolAddress } from "./link_maps.ts";
import { dlclose, dlmopen, dlopen, done, finish, rtldClose, rtldOpen } from "./open.ts";
import type { GnuRuntimePart } from "./runtime_code.ts";
import { gnuStateOf } from "./state.ts";
import { dladdr, dladdr1, dlsym, dlvsym, rtldLookup } from "./symbols.ts";
import { allocateTls, allocateTlsInit, deallocateTls, tlsAddress } from "./thread_services.ts";

/** Functions of glibc that the host answers itself, by their names. */
const HOST_SERVICES: Readonly<Record<string, HostService>> = {
  dlsym,
  dlvsym,
  dladdr,
  dladdr1,
  dlinfo,
  dlerror,
  _dl_find_object: findObject,
  _dl_find_dso_for_object: findMap,
  _dl_allocate_tls: allocateTls,
  _dl_allocate_tls_init: allocateTlsInit,
  _dl_deallocate_tls: deallocateTls,
};

/** Functions of glibc that call guest code, by the part of the runtime that does it. */
const RUNTIME_SERVICES: Readonly<Record<string, GnuRuntimePart>> = {
  dlopen: "dlopen",
  dlmopen: "dlmopen",
  dlclose: "dlclose",
  dl_iterate_phdr: "dl_iterate_phdr",
  __tls_get_addr: "tls_get_addr",
};

/** What the runtime's parts ask of the host, by the word that holds its address. */
const RUNTIME_NEEDS: Readonly<Partial<Record<GnuRuntimePart, HostService>>> = {
  host_finish: finish,
  host_dlopen: dlopen,
  host_dlmopen: dlmopen,
  host_dlclose: dlclose,
  host_done: done,
  host_rtld_open: rtldOpen,
  host_rtld_close: rtldClose,
  host_rtld_lookup: rtldLookup,
  host_error: takeError,
  host_phdr: listHeaders,
  host_phdr_done: dropHeaders,
  host_tls: tlsAddress,
  host_bind: bindSlot,
};

/**
 * Functions that libc calls through `_rtld_global_ro`, in the order in which glibc has kept them there
 * since 2.3, after `_dl_mcount`.
 */
const AFTER_MCOUNT: readonly GnuRuntimePart[] = ["rtld_lookup", "rtld_open", "rtld_close"];

/** Gives every service its guest address. */
export function provideServices(link: LinkContext): void {
  const { services } = gnuStateOf(link);
  const runtime = runtimeOf(link);
  for (const [name, service] of Object.entries(HOST_SERVICES)) {
    services.set(name, link.provide(name, service));
  }
  for (const [name, part] of Object.entries(RUNTIME_SERVICES)) {
    services.set(name, runtime.address(link, part));
  }
  for (const [part, service] of Object.entries(RUNTIME_NEEDS)) {
    runtime.set(link, part, link.provide(part, service));
  }
}

/**
 * Puts our functions into the table through which libc calls the loader. The table is found by the one
 * function in it that the loader exports, `_dl_mcount`.
 */
export function replaceFunctionTable(link: LinkContext): void {
  const loader = gnuStateOf(link).loader!;
  const table = symbolAddress(link, loader, "_rtld_global_ro");
  const { size } = loader.elf.lookup("_rtld_global_ro", { newest: true })!;
  const mcount = symbolAddress(link, loader, "_dl_mcount");
  const runtime = runtimeOf(link);
  for (let at = table; at < table + size; at += 8) {
    if (link.readI64(at) !== mcount) continue;
    AFTER_MCOUNT.forEach((part, index) =>
      link.writeU64(at + 8 * (index + 1), runtime.address(link, part))
    );
    return;
  }
  throw new LinkError(`${loader.path} has no table of functions for libc`);
}
