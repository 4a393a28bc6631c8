import type {
  Definition,
  GuestFile,
  LinkContext,
  LinkObject,
  StateKey,
} from "../../lib/linker/mod.ts";
import { TlsLayout } from "./tls_layout.ts";
import type { Runtime } from "./runtime.ts";

/** What a relocation asks about thread-local storage. */
export interface ThreadLocal {
  /** M: the word that `__tls_get_addr` is given for the object's block; undefined if it has none. */
  moduleOf(link: LinkContext, object: LinkObject): number | undefined;
  /** T: offset of the object's block from the thread pointer; undefined if it has none. */
  offsetOf(link: LinkContext, object: LinkObject): number | undefined;
  /** The function and argument of a descriptor for `value` bytes into the object's block. */
  describe(link: LinkContext, object: LinkObject, value: number): readonly [number, number];
}

/** How calls through slots that are not bound yet reach the linker. */
export interface LazySlots {
  /** Whether an object's slots may wait, and whether all of them do or only those nobody defines. */
  of(link: LinkContext, object: LinkObject): "all" | "undefined" | "none";
  /** The two words after the first of the object's slot table: what names it, where to go. */
  words(link: LinkContext, object: LinkObject): readonly [number, number];
}

/** What the System V passes remember of one process. */
export class SysvState {
  /** Objects by every name they were asked for or call themselves. */
  readonly byName = new Map<string, LinkObject>();
  /** Where libraries that are not there are noted, for a program that is only asked what it needs. */
  missing: { readonly name: string; readonly before: number }[] | undefined;
  /** The object for which the batch at work is opened, if the program has asked for it while it ran. */
  openedFor: LinkObject | undefined;
  /** The program's interpreter, where the linker takes its place but needs it as an object. */
  interpreter: GuestFile | undefined;
  tls: TlsLayout;
  /** Who answers for thread-local storage; undefined: every block is where `tls` has it. */
  threadLocal: ThreadLocal | undefined;
  /** Undefined where every slot is bound before the program starts. */
  lazy: LazySlots | undefined;
  /** The loader's own `__tls_get_addr`, where it has one. */
  service: ((link: LinkContext) => Definition) | undefined;
  /** Results of functions that choose an implementation, by their address. */
  readonly chosen = new Map<number, number>();
  /** Address of the `__ifunc_arg_t` that aarch64 resolvers are given, once allocated. */
  resolverArgument: number | undefined;
  runtime: Runtime | undefined;
  /** Whether code is mapped guarded (PROT_BTI) where an object's note permits it. */
  guards = false;
  /** Thread pointer of the first thread, once its block exists. */
  threadPointer: number | undefined;

  constructor(link: LinkContext) {
    this.tls = new TlsLayout(link.arch);
  }
}

const key: StateKey<SysvState> = {
  create: (link) => new SysvState(link),
  fork: (state, link) => {
    const copy = Object.assign(new SysvState(link), {
      interpreter: state.interpreter,
      threadLocal: state.threadLocal,
      lazy: state.lazy,
      service: state.service,
      resolverArgument: state.resolverArgument,
      runtime: state.runtime,
      guards: state.guards,
      threadPointer: state.threadPointer,
      tls: state.tls.copy(),
    });
    for (const [name, object] of state.byName) copy.byName.set(name, object);
    for (const [resolver, address] of state.chosen) copy.chosen.set(resolver, address);
    return copy;
  },
};

export function stateOf(link: LinkContext): SysvState {
  return link.state(key);
}
