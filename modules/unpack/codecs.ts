import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "./deps.ts";

/** A way to compress a block of bytes. */
export interface Codec {
  readonly name: string;
  /** Its number in a packed file. */
  readonly id: number;
  compress(bytes: Uint8Array): Uint8Array;
  /** The bytes that were compressed, at most `size` of them; throws what the codec throws. */
  decompress(packed: Uint8Array, size: number): Uint8Array;
}

/** The codecs of packed files, each at the level that packs best in reasonable time. */
export const CODECS = [
  {
    name: "deflate",
    id: 1,
    compress: (bytes) => deflateRawSync(bytes, { level: 9 }),
    decompress: (packed, size) => inflateRawSync(packed, { maxOutputLength: size }),
  },
  {
    name: "zstd",
    id: 2,
    compress: (bytes) => {
      // Tables as large as the block: the level's own are for megabytes, and cost more to clear than to use.
      const window = Math.min(27, Math.max(17, Math.ceil(Math.log2(bytes.length))));
      const params = {
        [constants.ZSTD_c_compressionLevel]: 19,
        [constants.ZSTD_c_windowLog]: window,
        [constants.ZSTD_c_hashLog]: Math.min(22, window),
        [constants.ZSTD_c_chainLog]: Math.min(23, window + 1),
      };
      return zstdCompressSync(bytes, { params });
    },
    decompress: (packed, size) => zstdDecompressSync(packed, { maxOutputLength: size }),
  },
  {
    name: "brotli",
    id: 3,
    compress: (bytes) =>
      brotliCompressSync(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: 9,
          [constants.BROTLI_PARAM_LGWIN]: 24,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
    decompress: (packed, size) => brotliDecompressSync(packed, { maxOutputLength: size }),
  },
] as const satisfies readonly Codec[];

export type CodecName = (typeof CODECS)[number]["name"];
