/**
 * Packs files into a TypeScript module, so that a script run from a URL has them without reading
 * anything: per architecture one base64 text of a gzip stream, which holds a JSON index
 * (`[[path, size], …]`), a newline, and the files' bytes one after the other.
 */

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(new Blob([bytes]).stream().pipeThrough(stream)).bytes();
}

async function pack(files: Files): Promise<string> {
  const index = JSON.stringify([...files].map(([path, bytes]) => [path, bytes.length])) + "\n";
  const parts = new Blob([index, ...files.values()]);
  return (await through(await parts.bytes(), new CompressionStream("gzip"))).toBase64();
}

/** The text of the module. It imports nothing. */
export async function packModule(archives: readonly (readonly [string, Files])[]): Promise<string> {
  const rows: string[] = [];
  for (const [arch, files] of archives) rows.push(`  ${arch}:\n    "${await pack(files)}",\n`);
  return `/**
 * The \`many\` guest (tests/guests) for both architectures, made by \`deno task guests\`: a program
 * and 27 shared libraries that call one another. Generated; do not edit.
 */

const packed = {
${rows.join("")}};

export type GuestArchitecture = keyof typeof packed;

/**
 * The files of the guest by absolute path; the program is \`/many/many\` (or \`/many/many_fixed\`,
 * not position-independent), its libraries are in \`/many/lib\`.
 */
export async function manyGuest(arch: GuestArchitecture): Promise<Map<string, Uint8Array>> {
  const zipped = Uint8Array.from(atob(packed[arch]), (char) => char.charCodeAt(0));
  const plain = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
  const end = bytes.indexOf(10);
  const index: [string, number][] = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const files = new Map<string, Uint8Array>();
  let at = end + 1;
  for (const [path, size] of index) files.set(path, bytes.subarray(at, at += size));
  return files;
}
`;
}

/** The files that a module made by `packModule` holds for `arch`, read with the module's own code. */
export async function unpackModule(
  source: string,
  arch: string,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const module = await import(`data:application/typescript,${encodeURIComponent(source)}`);
  return await module.manyGuest(arch);
}
