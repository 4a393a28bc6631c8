/** State memory as the host reads and writes it: numbers of 64 bits by halves, without BigInt. */
const U32 = 4294967296;

/** Views of the one memory; places are byte offsets. */
export class StateMemory {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly view: DataView;

  constructor({ buffer }: WebAssembly.Memory) {
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** The i64 at `at`, exact below 2^53 in magnitude. */
  signed(at: number): number {
    return this.u32[at >> 2] + this.i32[(at >> 2) + 1] * U32;
  }
  /** The u64 at `at`. */
  unsigned(at: number): number {
    return this.u32[at >> 2] + this.u32[(at >> 2) + 1] * U32;
  }
  put(at: number, value: number): void {
    this.u32[at >> 2] = value >>> 0;
    this.i32[(at >> 2) + 1] = Math.floor(value / U32);
  }
}
