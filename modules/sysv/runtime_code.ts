import type { Architecture } from "../../lib/linker/mod.ts";

/**
 * The loader's own guest code, one position-independent blob per architecture: its parts in order and their
 * instructions in hexadecimal. The test beside it holds the assembly source and assembles it again.
 *
 * - `start`: calls each function of the list at `initialisers` with (argc, argv, envp), then jumps to
 *   `entry` with the stack it was given and `finish` in the register that the psABI reserves for the
 *   function to register with atexit (rdx, x0).
 * - `finish`: calls each function of the list at `finalisers`.
 * - `tls_get_addr`: returns thread pointer + first word + second word of its argument. The module word of
 *   a `tls_index` is the offset of the module's block, so no DTV is needed.
 * - `tlsdesc_static`: returns the descriptor's argument, an offset from the thread pointer.
 * - `tlsdesc_undefined_weak`: returns what makes the sum with the thread pointer the argument itself.
 */
export const RUNTIME_CODE: Record<Architecture, Record<RuntimePart, string>> = {
  x86_64: {
    start: "4889e34c8b259e000000498b04244885c07414488b3b488d7308488d54fb104983c408ffd0ebe3" +
      "4889dc488d150f00000031db4531e4ff25640000000f1f4000",
    finish: "53488b1d68000000488b034885c074084883c308ffd0ebf05bc3660f1f440000",
    tls_get_addr: "488b0748034708644803042500000000c366662e0f1f8400000000000f1f4000",
    tlsdesc_static: "488b4008c366662e0f1f840000000000",
    tlsdesc_undefined_weak: "488b400864482b042500000000c36690",
    entry: "0000000000000000",
    initialisers: "0000000000000000",
    finalisers: "0000000000000000",
  },
  aarch64: {
    start: "f303009134060058908640f8f00000b4600240f961220091220c008b4220009100023fd6f9ffff17" +
      "c0000010b0040058f3031faaf4031faafe031faa00021fd6",
    finish: "fd7bbea9fd030091f30b00f933040058708640f8700000b400023fd6fdffff17f30b40f9fd7bc2a8" +
      "c0035fd61f2003d5",
    tls_get_addr: "010840a940d03bd52100028b0000018bc0035fd61f2003d51f2003d51f2003d5",
    tlsdesc_static: "000440f9c0035fd61f2003d51f2003d5",
    tlsdesc_undefined_weak: "e10f1ff8000440f941d03bd5000001cbe10741f8c0035fd61f2003d51f2003d5",
    entry: "0000000000000000",
    initialisers: "0000000000000000",
    finalisers: "0000000000000000",
  },
};

export type RuntimePart =
  | "start"
  | "finish"
  | "tls_get_addr"
  | "tlsdesc_static"
  | "tlsdesc_undefined_weak"
  | "entry"
  | "initialisers"
  | "finalisers";
