import type { ByteView } from "./byte_view.ts";
import type { AddressMap } from "./address_map.ts";
import type { SymbolTable } from "./symbol_table.ts";

const encoder = new TextEncoder();

/** The gABI's symbol hash of a name's bytes (gABI, "Hash Table"); also used for version names. */
export function sysvHash(name: Uint8Array): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) {
    h = ((h << 4) + name[i]) | 0;
    h ^= (h >>> 24) & 0xf0;
    h &= 0x0fffffff;
  }
  return h;
}

/** The hash of DT_GNU_HASH: h = h * 33 + c from 5381, in 32 bits. */
export function gnuHash(name: Uint8Array): number {
  let h = 5381;
  for (let i = 0; i < name.length; i++) h = (((h << 5) + h) | 0) + name[i];
  return h >>> 0;
}

/** A symbol name with its hashes, computed once however many objects are searched for it. */
export class LookupKey {
  readonly bytes: Uint8Array;
  readonly gnu: number;
  private sysvValue = -1;

  constructor(readonly name: string) {
    this.bytes = encoder.encode(name);
    this.gnu = gnuHash(this.bytes);
  }

  get sysv(): number {
    if (this.sysvValue < 0) this.sysvValue = sysvHash(this.bytes);
    return this.sysvValue;
  }
}

/** What looking up names cost; a caller passes one in and it is added to. */
export interface LookupCounts {
  /** Tables searched. */
  tables: number;
  /** Tables a GNU Bloom filter ruled out. */
  bloomRejects: number;
  /** Chain entries visited. */
  hashProbes: number;
  /** Bytes compared by strcmp. */
  strcmpBytes: number;
}

export function lookupCounts(): LookupCounts {
  return { tables: 0, bloomRejects: 0, hashProbes: 0, strcmpBytes: 0 };
}

/** A hash table over the dynamic symbols. */
export interface HashTable {
  readonly kind: "gnu" | "sysv";
  /** How many symbols the table shows there to be; for GNU tables a lower bound. */
  symbolCount(): number;
  /**
   * Index of the next symbol of this name in chain order after `after`, of the first one if that is -1;
   * -1 if there is none. Versions, binding and definedness are the caller's business.
   */
  find(key: LookupKey, symbols: SymbolTable, counts: LookupCounts, after: number): number;
}

function sameName(
  symbols: SymbolTable,
  index: number,
  key: LookupKey,
  counts: LookupCounts,
): boolean {
  const compared = symbols.compareName(index, key.bytes);
  counts.strcmpBytes += Math.abs(compared);
  return compared > 0;
}

/** DT_HASH (gABI, "Hash Table"): words nbucket, nchain, buckets, chains. */
export class SysvHashTable implements HashTable {
  readonly kind = "sysv";
  readonly bucketCount: number;
  readonly chainCount: number;
  private readonly buckets: number;
  private readonly chains: number;

  /** `entry` is the file offset of the dynamic entry that holds `vaddr`. */
  constructor(private readonly file: ByteView, map: AddressMap, vaddr: number, entry: number) {
    const at = map.offsetOf(vaddr, 8, "DT_HASH", entry);
    this.bucketCount = file.u32(at, "nbucket");
    this.chainCount = file.u32(at + 4, "nchain");
    map.offsetOf(vaddr, 8 + 4 * (this.bucketCount + this.chainCount), "DT_HASH", entry);
    this.buckets = at + 8;
    this.chains = this.buckets + 4 * this.bucketCount;
  }

  symbolCount(): number {
    return this.chainCount;
  }

  find(key: LookupKey, symbols: SymbolTable, counts: LookupCounts, after: number): number {
    const view = this.file.view;
    let index: number;
    if (after < 0) {
      counts.tables++;
      if (this.bucketCount === 0) return -1;
      index = view.getUint32(this.buckets + 4 * (key.sysv % this.bucketCount), true);
    } else {
      index = view.getUint32(this.chains + 4 * after, true);
    }
    for (let steps = 0; index !== 0; steps++) {
      if (index >= this.chainCount) {
        this.file.fail(this.chains, "DT_HASH", `chain names symbol ${index}`);
      }
      if (steps > this.chainCount) this.file.fail(this.chains, "DT_HASH", "a chain is a cycle");
      counts.hashProbes++;
      if (sameName(symbols, index, key, counts)) return index;
      index = view.getUint32(this.chains + 4 * index, true);
    }
    return -1;
  }
}

/**
 * DT_GNU_HASH: words nbuckets, symoffset, bloom_size, bloom_shift; then 64-bit Bloom words, buckets
 * and one hash word a symbol from symoffset on, whose lowest bit ends a chain.
 */
export class GnuHashTable implements HashTable {
  readonly kind = "gnu";
  readonly bucketCount: number;
  /** Index of the first symbol the table covers. */
  readonly symbolOffset: number;
  readonly bloomWords: number;
  readonly bloomShift: number;
  private readonly bloom: number;
  private readonly buckets: number;
  private readonly chains: number;
  /** Chain words that fit in the segment. */
  private readonly chainCapacity: number;

  /** `entry` is the file offset of the dynamic entry that holds `vaddr`. */
  constructor(private readonly file: ByteView, map: AddressMap, vaddr: number, entry: number) {
    const at = map.offsetOf(vaddr, 16, "DT_GNU_HASH", entry);
    this.bucketCount = file.u32(at, "nbuckets");
    this.symbolOffset = file.u32(at + 4, "symoffset");
    this.bloomWords = file.u32(at + 8, "bloom_size");
    this.bloomShift = file.u32(at + 12, "bloom_shift");
    if (this.bucketCount === 0) file.fail(at, "nbuckets", "there are no buckets");
    if (this.bloomWords === 0 || (this.bloomWords & (this.bloomWords - 1)) !== 0) {
      file.fail(at + 8, "bloom_size", `${this.bloomWords} is not a power of two`);
    }
    const fixed = 16 + 8 * this.bloomWords + 4 * this.bucketCount;
    map.offsetOf(vaddr, fixed, "DT_GNU_HASH", entry);
    this.bloom = at + 16;
    this.buckets = this.bloom + 8 * this.bloomWords;
    this.chains = at + fixed;
    this.chainCapacity = Math.floor((map.available(vaddr) - fixed) / 4);
  }

  private chainWord(index: number): number {
    const chain = index - this.symbolOffset;
    if (chain < 0 || chain >= this.chainCapacity) {
      this.file.fail(this.chains, "DT_GNU_HASH", `chain reaches symbol ${index}`);
    }
    this.file.touch(this.chains + 4 * chain, 4);
    return this.file.view.getUint32(this.chains + 4 * chain, true);
  }

  symbolCount(): number {
    let last = 0;
    for (let i = 0; i < this.bucketCount; i++) {
      const first = this.file.view.getUint32(this.buckets + 4 * i, true);
      if (first > last) last = first;
    }
    if (last === 0) return this.symbolOffset;
    while ((this.chainWord(last) & 1) === 0) last++;
    return last + 1;
  }

  private mayHold(hash: number): boolean {
    const { view } = this.file;
    const word = this.bloom + 8 * ((hash >>> 6) & (this.bloomWords - 1));
    const second = hash >>> (this.bloomShift & 31);
    // Bits 0 to 31 are in the first half of the word; a shift takes its count modulo 32.
    const first = view.getUint32(word + ((hash & 32) >>> 3), true) >>> (hash & 31);
    return (first & (view.getUint32(word + ((second & 32) >>> 3), true) >>> (second & 31)) & 1) !==
      0;
  }

  find(key: LookupKey, symbols: SymbolTable, counts: LookupCounts, after: number): number {
    const hash = key.gnu;
    let index: number;
    if (after < 0) {
      counts.tables++;
      if (!this.mayHold(hash)) {
        counts.bloomRejects++;
        return -1;
      }
      index = this.file.view.getUint32(this.buckets + 4 * (hash % this.bucketCount), true);
      if (index === 0) return -1;
    } else {
      if ((this.chainWord(after) & 1) !== 0) return -1;
      index = after + 1;
    }
    for (;;) {
      const word = this.chainWord(index);
      counts.hashProbes++;
      if (((word ^ hash) >>> 1) === 0) {
        if (sameName(symbols, index, key, counts)) return index;
      }
      if ((word & 1) !== 0) return -1;
      index++;
    }
  }
}
