import type { Architecture } from "../../lib/linker/mod.ts";

/**
 * The guest code of the linker's services to programs of musl: its parts in order and their instructions in
 * hexadecimal. The test beside it holds the assembly source, which says what each part does, and assembles
 * it again. The parts with a single word hold what the linker writes.
 */
export const MUSL_RUNTIME_CODE: Record<Architecture, Record<MuslRuntimePart, string>> = {
  x86_64: {
    initialise: "53488b1d78010000488b034885c074084883c308ffd0ebf05bc3660f1f440000",
    finish: "53ff15690100004889c3488b034885c074084883c308ffd0ebf05bc30f1f4000",
    dlopen: "5341544883ec08488b542418ff15460100004885c0750b51b8180000000f0559ebea4889c34c8d63" +
      "08498b04244885c074084983c408ffd0ebef4889dfff151d0100004883c408415c5bc30f1f440000",
    dl_iterate_phdr:
      "534154415541564883ec084989fd4989f6ff15010100004889c34c8d630831c048833b00741b48ff" +
      "0b4c89e7be400000004c89f241ffd585c075064983c440ebdf4189c44889dfff15d30000004489e0" +
      "4883c408415e415d415c5bc30f1f4000",
    tls_get_addr:
      "488b059100000064488b00488b0f483b08770e488b04c84885c0740548034708c3ff25a100000066" +
      "0f1f840000000000",
    tlsdesc_static: "488b4008c366662e0f1f840000000000",
    tlsdesc_undefined_weak: "488b400864482b042500000000c36690",
    tlsdesc_dynamic:
      "5751488b7808488b053b00000064488b00488b0f483b08770f488b04c84885c0740648034708eb06" +
      "ff154a00000064482b042500000000595fc3660f1f440000",
    initialisers: "0000000000000000",
    vector: "0000000000000000",
    host_finish: "0000000000000000",
    host_dlopen: "0000000000000000",
    host_done: "0000000000000000",
    host_phdr: "0000000000000000",
    host_phdr_done: "0000000000000000",
    host_tls: "0000000000000000",
  },
  aarch64: {
    initialise: "fd7bbea9fd030091f30b00f933110058708640f8700000b400023fd6fdffff17f30b40f9fd7bc2a8" +
      "c0035fd61f2003d5",
    finish: "fd7bbea9fd030091f30b00f93010005800023fd6f30300aa708640f8700000b400023fd6fdffff17" +
      "f30b40f9fd7bc2a8c0035fd61f2003d51f2003d51f2003d5",
    dlopen: "fd7bbda9fd030091f35301a9f51300f9e2031eaaf50300aa100e005800023fd6a00000b5880f80d2" +
      "010000d4e00315aafaffff17f30300aa74220091908640f8700000b400023fd6fdffff17e00313aa" +
      "900c005800023fd6f51340f9f35341a9fd7bc3a8c0035fd61f2003d51f2003d5",
    dl_iterate_phdr:
      "fd7bbda9fd030091f35301a9f55b02a9f50300aaf60301aa100b005800023fd6f30300aa74220091" +
      "e0031f2a610240f9410100b4210400d1610200f9e00314aa010880d2e20316aaa0023fd660000035" +
      "94020191f6ffff17f403002ae00313aa1009005800023fd6e003142af55b42a9f35341a9fd7bc3a8" +
      "c0035fd61f2003d5",
    tls_get_addr:
      "41d03bd5a2060058216862f8020c40a9240040f95f0004eba8000054217862f8610000b42000038b" +
      "c0035fd6f006005800021fd61f2003d51f2003d51f2003d5",
    tlsdesc_static: "000440f9c0035fd61f2003d51f2003d5",
    tlsdesc_undefined_weak: "e10f1ff8000440f941d03bd5000001cbe10741f8c0035fd61f2003d51f2003d5",
    tlsdesc_dynamic:
      "e10bbda9e31301a9f07b02a9000440f941d03bd5a2020058216862f8020c40a9240040f95f0004eb" +
      "a8000054217862f8610000b42000038b03000014f002005800023fd641d03bd5000001cbf07b42a9" +
      "e31341a9e10bc3a8c0035fd61f2003d5",
    initialisers: "0000000000000000",
    vector: "0000000000000000",
    host_finish: "0000000000000000",
    host_dlopen: "0000000000000000",
    host_done: "0000000000000000",
    host_phdr: "0000000000000000",
    host_phdr_done: "0000000000000000",
    host_tls: "0000000000000000",
  },
};

export type MuslRuntimePart =
  | "initialise"
  | "finish"
  | "dlopen"
  | "dl_iterate_phdr"
  | "tls_get_addr"
  | "tlsdesc_static"
  | "tlsdesc_undefined_weak"
  | "tlsdesc_dynamic"
  | "initialisers"
  | "vector"
  | "host_finish"
  | "host_dlopen"
  | "host_done"
  | "host_phdr"
  | "host_phdr_done"
  | "host_tls";
