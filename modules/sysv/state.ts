import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { TlsLayout } from "./tls_layout.ts";
import type { Runtime } from "./runtime.ts";

/** What the System V passes remember of one process. */
export class SysvState {
  /** Objects by every name they were asked for or call themselves. */
  readonly byName = new Map<string, LinkObject>();
  readonly tls: TlsLayout;
  /** Results of functions that choose an implementation, by their address. */
  readonly chosen = new Map<number, number>();
  /** Address of the `__ifunc_arg_t` that aarch64 resolvers are given, once allocated. */
  resolverArgument: number | undefined;
  runtime: Runtime | undefined;
  /** Thread pointer of the first thread, once its block exists. */
  threadPointer: number | undefined;

  constructor(link: LinkContext) {
    this.tls = new TlsLayout(link.arch);
  }
}

const states = new WeakMap<LinkContext, SysvState>();

export function stateOf(link: LinkContext): SysvState {
  let state = states.get(link);
  if (state === undefined) states.set(link, state = new SysvState(link));
  return state;
}
