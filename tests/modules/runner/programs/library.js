// deno-lint-ignore-file no-unused-vars
const add = (a, b) => a + b | 0;
const mul64 = (a, b) => BigInt.asIntN(64, a * b);
function mix(...values) {
  return values.reduce((sum, value, i) => sum + (i + 1) * Number(value), 0);
}
const half = (x) => x / 2;
function greet(name) {
  if (name === null) return null;
  const text = `hello, ${name}!`;
  c_puts(text);
  return text;
}
const sum = (bytes) => bytes.reduce((a, b) => a + b, 0);
function upper(bytes) {
  bytes.forEach((byte, i) => {
    if (byte >= 97 && byte <= 122) bytes[i] -= 32;
  });
}
const first = (seed) => c_first(Uint8Array.of(7, 8, 9)) + seed;
function apply(f, n) {
  let s = 0;
  for (let i = 0; i < n; i++) s = s * 3 + f(i) | 0;
  return s;
}
const triple = (x) => 3 * x, square = (x) => x * x;
const pick = (which) => which ? square : triple;
const scaled = (x) => c_scale(x, 1.5) + 1;
const deep = (n) => n === 0 ? 0 : apply(triple, 1) + 1 + deep(n - 1);
let counter = 0;
const count = () => ++counter;
function divide(a, b) {
  if (b === 0) throw new RangeError("divide by zero");
  return a / b | 0;
}
