/** Fused multiply-add by exact arithmetic, the reference evaluation of `relaxed_madd`. */

const scratch = new DataView(new ArrayBuffer(8));

/** A finite double as significand · 2^exponent, exactly. */
function exact(x: number): [bigint, number] {
  scratch.setFloat64(0, x);
  const bits = scratch.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  const significand = field === 0 ? fraction : fraction | (1n << 52n);
  return [x < 0 ? -significand : significand, Math.max(field, 1) - 1075];
}

/** x · 2^exponent, where a single multiplication could over- or underflow on the way. */
function scale(x: number, exponent: number): number {
  const half = exponent >> 1;
  return x * 2 ** half * 2 ** (exponent - half);
}

/**
 * a · b + c rounded once to the nearest number of `precision` bits whose least exponent is `least`
 * (53 and -1074 for double, 24 and -149 for single precision).
 */
export function fusedMultiplyAdd(
  a: number,
  b: number,
  c: number,
  precision: number,
  least: number,
): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a * b + c;
  if (!Number.isFinite(c)) return c;
  const [x, i] = exact(a);
  const [y, j] = exact(b);
  const [z, k] = exact(c);
  if (x * y === 0n) return a * b + c;
  const low = Math.min(i + j, k);
  const sum = ((x * y) << BigInt(i + j - low)) + (z << BigInt(k - low));
  if (sum === 0n) return 0;
  const magnitude = sum < 0n ? -sum : sum;
  const length = magnitude.toString(2).length;
  const shift = Math.max(length - precision, least - low);
  let q = magnitude;
  if (shift > 0) {
    const by = BigInt(shift);
    q >>= by;
    const rest = magnitude - (q << by);
    const half = 1n << (by - 1n);
    if (rest > half || (rest === half && (q & 1n) === 1n)) q += 1n;
  }
  const value = scale(Number(q), low + Math.max(shift, 0));
  return sum < 0n ? -value : value;
}
