/** Codecs that Deno has built in, for compressed sections. */
export { inflateSync, zstdDecompressSync } from "node:zlib";
