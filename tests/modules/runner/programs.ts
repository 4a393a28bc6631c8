/** The files of `programs/`. */
const folder = new URL("programs/", import.meta.url);

export function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(name, folder));
}

export function textOf(name: string): string {
  return Deno.readTextFileSync(new URL(name, folder));
}
