/** The `many` guest with every ELF file of it packed, and Debian programs packed beside their roots. */
import { packElf, type PackOptions } from "../../../mod.ts";
import { type GuestArchitecture, manyGuest } from "../../../scripts/experiments/guests_data.ts";

export async function packedMany(
  arch: GuestArchitecture,
  options: PackOptions = {},
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [path, bytes] of await manyGuest(arch)) files.set(path, packElf(bytes, path, options));
  return files;
}
