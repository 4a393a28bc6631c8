/** Whether the host's `f64x2.relaxed_madd` and `f32x4.relaxed_madd` round once. */

/** A module with one function (a, b, c) of `type` that multiplies and adds through lane 0. */
function probeModule(
  type: number,
  splat: number,
  madd: readonly number[],
  extract: number,
): Uint8Array<ArrayBuffer> {
  const body = [0];
  for (const i of [0, 1, 2]) body.push(0x20, i, 0xfd, splat);
  body.push(0xfd, ...madd, 0xfd, extract, 0, 0x0b);
  // deno-fmt-ignore
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    1, 8, 1, 0x60, 3, type, type, type, 1, type,
    3, 2, 1, 0,
    7, 5, 1, 1, 0x66, 0, 0,
    10, body.length + 2, 1, body.length, ...body,
  ]);
}

/** (1 + e)² - (1 + 2e), which is e² if it is rounded once and 0 if twice. */
function roundsOnce(bytes: Uint8Array<ArrayBuffer>, e: number): boolean {
  if (!WebAssembly.validate(bytes)) return false;
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  return (f as (a: number, b: number, c: number) => number)(1 + e, 1 + e, -1 - 2 * e) === e * e;
}

/** Both fused: semantics may use them, and get on every host what the software gives elsewhere. */
export const hostFuses: boolean =
  roundsOnce(probeModule(0x7c, 0x14, [0x87, 0x02], 0x21), 2 ** -30) &&
  roundsOnce(probeModule(0x7d, 0x13, [0x85, 0x02], 0x1f), 2 ** -14);
