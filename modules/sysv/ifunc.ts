import { type LinkContext, PROT_READ, PROT_WRITE } from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** Marks that the second argument is an `__ifunc_arg_t` (AArch64 `sys/ifunc.h`). */
const IFUNC_ARG_HWCAP = 1n << 62n;
/** Bytes of `__ifunc_arg_t`: its size, AT_HWCAP, AT_HWCAP2. */
const ARGUMENT_SIZE = 24;

/** Calls an IFUNC resolver once and returns the implementation it chose. */
export function chooseImplementation(link: LinkContext, resolver: number): number {
  const { chosen } = stateOf(link);
  let implementation = chosen.get(resolver);
  if (implementation === undefined) {
    implementation = link.call(resolver, resolverArguments(link));
    chosen.set(resolver, implementation);
  }
  return implementation;
}

/** x86_64 resolvers find the processor's features themselves; aarch64 ones are told. */
function resolverArguments(link: LinkContext): (number | bigint)[] {
  if (link.arch === "x86_64") return [];
  const state = stateOf(link);
  if (state.resolverArgument === undefined) {
    const at = link.allocate(ARGUMENT_SIZE, PROT_READ | PROT_WRITE, "ifunc argument");
    link.writeU64(at, ARGUMENT_SIZE);
    link.writeU64(at + 8, link.hwcap);
    link.writeU64(at + 16, link.hwcap2);
    state.resolverArgument = at;
  }
  return [BigInt(link.hwcap) | IFUNC_ARG_HWCAP, state.resolverArgument];
}
