/** The code that handlers return to where a program brings none. */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_NONE, PROT_READ } from "../memory/abi.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { Abi } from "./abi/abi.ts";

/**
 * The page with the standard sigreturn sequence, for an architecture without SA_RESTORER; its
 * address, or 0 where every handler brings its own.
 */
export function mapSigreturn(abi: Abi, space: AddressSpace): number {
  if (abi.sigreturnCode === null) return 0;
  const { size } = space.granule;
  // Let the address space find room, then put the page there.
  const at = space.mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (at < 0 || space.munmap(at, size) < 0) return 0;
  if (space.mapSpecial(at, size, PROT_READ | PROT_EXEC, "[sigpage]") < 0) return 0;
  space.poke(at, abi.sigreturnCode);
  return at;
}
