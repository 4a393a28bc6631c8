import { ByteView } from "../../lib/elf/byte_view.ts";
import { ByteWriter } from "../../lib/elf/byte_writer.ts";
import { ElfError, ElfFile, PHDR_SIZE } from "../../lib/elf/mod.ts";
import { withSections } from "../../lib/elf/section_editor.ts";

/** Name of the section that holds a signature; no segment has it. */
export const SECTION = ".isthmus.signature";
/** SHT_PROGBITS: bytes that mean nothing to other tools. */
const SHT_PROGBITS = 1;

/*
 * The section, little-endian:
 *
 *    0  "ISTHSIG1"
 *    8  u64 seconds since 1970 until which the signature holds; 0: for ever
 *   16  SHA-256 of the public key
 *   48  Ed25519 signature (RFC 8032) of "isthmus signature 1", a newline, the u64 at 8 and the digest of the
 *       file
 *
 * The digest is the SHA-256 of the program headers and, for each of them in order, of the segment's bytes in the
 * file. The fields of the ELF header that say where the section headers are count as zero: signing moves them.
 */
const MAGIC = "ISTHSIG1";
const SIZE = 112;
const encoder = new TextEncoder();

/** A signature as a file has it. */
export interface Signature {
  /** Seconds since 1970; 0: it holds for ever. */
  readonly expires: number;
  /** SHA-256 of the public key, in hexadecimal. */
  readonly key: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A public key to verify with. */
export interface PublicKey {
  /** SHA-256 of its 32 bytes, in hexadecimal. */
  readonly id: string;
  readonly key: CryptoKey;
}

/** Fields of the ELF header that say where the section headers are: e_shoff; e_shentsize, e_shnum, e_shstrndx. */
const UNSIGNED: readonly (readonly [number, number])[] = [[40, 48], [58, 64]];

/** SHA-256 of what loaders take from a file: program headers and segments. */
export async function digestOf(elf: ElfFile): Promise<Uint8Array<ArrayBuffer>> {
  const out = new ByteWriter();
  const { phoff, phnum } = elf.header;
  out.raw(new ByteView(elf.bytes, elf.name).slice(phoff, phnum * PHDR_SIZE, "e_phoff"));
  for (const segment of elf.segments) {
    const bytes = elf.segmentBytes(segment).slice();
    for (const [from, to] of UNSIGNED) {
      if (segment.offset < to) bytes.fill(0, from - segment.offset, to - segment.offset);
    }
    out.u64(bytes.length).raw(bytes);
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", buffer(out.finish())));
}

/** What is signed. */
function message(expires: number, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return buffer(
    new ByteWriter().raw(encoder.encode("isthmus signature 1\n")).u64(expires).raw(digest).finish(),
  );
}

/** The signature in a file; undefined if it has none. One that is malformed is an `ElfError`. */
export function signatureOf(elf: ElfFile): Signature | undefined {
  const section = elf.section(SECTION);
  if (section === undefined) return undefined;
  const view = new ByteView(elf.bytes, elf.name);
  const bytes = view.slice(section.offset, section.size, SECTION);
  const magic = new TextDecoder().decode(bytes.subarray(0, 8));
  if (bytes.length !== SIZE || magic !== MAGIC) {
    return view.fail(section.offset, SECTION, "it is no signature of this format");
  }
  return {
    expires: view.u64(section.offset + 8, SECTION),
    key: hex(bytes.subarray(16, 48)),
    bytes: bytes.slice(48),
  };
}

/** Whether a signature is by a key over this file, apart from its date. */
export async function isSignedBy(
  elf: ElfFile,
  { expires, bytes }: Signature,
  { key }: PublicKey,
): Promise<boolean> {
  const signed = message(expires, await digestOf(elf));
  return await crypto.subtle.verify("Ed25519", key, bytes, signed);
}

/** A signing key from the text of a PEM file (PKCS #8), as openssl writes it too. */
export async function privateKey(pem: string): Promise<{ key: CryptoKey; publicKey: PublicKey }> {
  const key = await crypto.subtle.importKey("pkcs8", derOf(pem, "PRIVATE KEY"), "Ed25519", true, [
    "sign",
  ]);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  const raw = Uint8Array.from(
    atob(x!.replaceAll("-", "+").replaceAll("_", "/")),
    (char) => char.charCodeAt(0),
  );
  return { key, publicKey: await publicKeyOf(raw) };
}

/** A verifying key from the text of a PEM file (SubjectPublicKeyInfo). */
export async function publicKey(pem: string): Promise<PublicKey> {
  // The key is the last 32 bytes of an Ed25519 SubjectPublicKeyInfo (RFC 8410, section 4).
  const der = derOf(pem, "PUBLIC KEY");
  await crypto.subtle.importKey("spki", der, "Ed25519", true, ["verify"]);
  return await publicKeyOf(der.slice(-32));
}

async function publicKeyOf(raw: Uint8Array<ArrayBuffer>): Promise<PublicKey> {
  const key = await crypto.subtle.importKey("raw", raw, "Ed25519", true, ["verify"]);
  return { key, id: hex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw))) };
}

function derOf(pem: string, label: string): Uint8Array<ArrayBuffer> {
  const [, base64] =
    new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`).exec(pem) ??
      [];
  if (base64 === undefined) throw new TypeError(`no ${label} in PEM`);
  return Uint8Array.from(atob(base64.replace(/\s/g, "")), (char) => char.charCodeAt(0));
}

/** A new pair of keys as PEM files. */
export async function generateKeys(): Promise<{ privatePem: string; publicPem: string }> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const pem = (label: string, der: ArrayBuffer) =>
    `-----BEGIN ${label}-----\n${btoa(String.fromCharCode(...new Uint8Array(der)))}\n` +
    `-----END ${label}-----\n`;
  return {
    privatePem: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
    publicPem: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)),
  };
}

/** A copy of an ELF program or library with a signature; an earlier one is replaced. */
export async function signElf(
  bytes: Uint8Array,
  name: string,
  pem: string,
  expires = 0,
): Promise<Uint8Array<ArrayBuffer>> {
  const { key, publicKey } = await privateKey(pem);
  const elf = ElfFile.parse(bytes, name);
  if (elf.segments.length === 0) {
    throw new ElfError(name, 56, "e_phnum", "it has no segment to sign");
  }
  const signed = message(expires, await digestOf(elf));
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", key, signed));
  const content = new ByteWriter().raw(encoder.encode(MAGIC)).u64(expires);
  content.raw(Uint8Array.from(publicKey.id.match(/../g)!, (pair) => parseInt(pair, 16)));
  content.raw(signature);
  const section = { name: SECTION, type: SHT_PROGBITS, align: 8, content: content.finish() };
  return withSections(bytes, name, [section]);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function buffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
