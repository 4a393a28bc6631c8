import { ElfError, ElfFile } from "../../lib/elf/mod.ts";
import {
  type GuestFile,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  weak,
} from "../../lib/linker/mod.ts";
import { isSignedBy, type PublicKey, publicKey, signatureOf } from "./signature.ts";

export { generateKeys, signElf } from "./signature.ts";

/** Options of `signatures`: the keys that are trusted. */
export interface SignaturesOptions {
  /** Public keys whose signatures count: texts of PEM files. */
  readonly keys: readonly string[];
  /** What becomes of files without a signature: refused (the default) or loaded. */
  readonly unsigned?: "refuse" | "allow";
}

/**
 * Loads signed programs and libraries only (`isthmus sign`): verifies in post-collect, before anything is mapped,
 * that every file carries an Ed25519 signature over its segments, by a given key, that has not expired by the
 * clock of the machine. Objects that the linker made in memory need none.
 *
 * What is verified is the file as it lies in the file system: a packed one as it is packed.
 */
export function signatures({ keys, unsigned = "refuse" }: SignaturesOptions): Module {
  let parsed: Promise<readonly PublicKey[]> | undefined;
  const pass = weak(async (link, object) => {
    if (object.file === undefined) return;
    parsed ??= Promise.all(keys.map(parse));
    await verify(link, object, origin(object.file), await parsed, unsigned);
  });
  return { name: "signatures", register: () => ({ "post-collect": pass }) };
}

async function parse(pem: string, index: number): Promise<PublicKey> {
  try {
    return await publicKey(pem);
  } catch {
    throw new LinkError(`key ${index + 1} is no Ed25519 public key in PEM`);
  }
}

/** The file of the file system that a made one comes from. */
function origin(file: GuestFile): GuestFile {
  return file.made === undefined ? file : origin(file.made.from);
}

async function verify(
  { time, counters }: LinkContext,
  object: LinkObject,
  file: GuestFile,
  keys: readonly PublicKey[],
  unsigned: "refuse" | "allow",
): Promise<void> {
  const refuse = (message: string): never => {
    const occasion = "error while loading shared libraries";
    throw LinkError.of({ occasion, object: object.path, message, status: 127 });
  };
  try {
    const elf = ElfFile.parse(file.bytes, file.path);
    const signature = signatureOf(elf);
    if (signature === undefined) {
      if (unsigned === "refuse") refuse("it is not signed");
      return counters.count("signatures.unsigned");
    }
    const key = keys.find(({ id }) => id === signature.key);
    if (key === undefined) {
      return refuse(
        `it is signed with the key ${signature.key.slice(0, 16)}, which is not trusted`,
      );
    }
    if (!await isSignedBy(elf, signature, key)) refuse("its signature is of other contents");
    if (signature.expires !== 0 && signature.expires < time) {
      refuse(`its signature expired on ${new Date(signature.expires * 1000).toISOString()}`);
    }
    counters.count("signatures.verified");
    counters.count("signatures.bytes", file.bytes.length);
  } catch (error) {
    if (error instanceof ElfError) refuse(`${error.field}: ${error.problem}`);
    throw error;
  }
}
