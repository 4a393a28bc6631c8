/** Buffers of branch targets, set-associative, true LRU, indexed by the branch's address. */
export interface TargetBufferShape {
  readonly entries: number;
  readonly ways: number;
  /**
   * Bits of a hash of the last indirect targets that, with the branch's address, index it (a target cache:
   * Chang, Hao and Patt 1997); default 0, the address alone.
   */
  readonly historyBits?: number;
}
