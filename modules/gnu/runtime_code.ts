import type { Architecture } from "../../lib/linker/mod.ts";

/**
 * The guest code of the linker's services to programs of glibc, one position-independent blob per
 * architecture: its parts in order and their instructions in hexadecimal. The test beside it holds the
 * assembly source, which says what each part does, and assembles it again. The parts named `host_`
 * and those with a single word hold addresses that the linker writes.
 */
export const GNU_RUNTIME_CODE: Record<Architecture, Record<GnuRuntimePart, string>> = {
  x86_64: {
    start: "4889e3488b05960200004885c07407bf01000000ffd04c8b258b020000498b04244885c07414488b" +
      "3b488d7308488d54fb104983c408ffd0ebe34889dc488d150c00000031db4531e4ff256102000090",
    finish: "53ff15690200004889c3488b034885c074084883c308ffd0ebf05bc30f1f4000",
    dlopen: "488b1424488b054d020000eb230f1f00",
    dlmopen: "4c8b0424488b0545020000eb130f1f00",
    dlclose: "488b0541020000eb070f1f8000000000",
    with_list: "53415441554989c541ffd54885c0750b51b8180000000f0559ebed4889c34c8d6320498b04244885" +
      "c07414488b7b08488b7310488b53184983c408ffd0ebe34889dfff15f8010000415d415c5bc36690",
    rtld_open: "488b05f10100004883ec08e8a0ffffff4883c4084885c07447c3660f1f440000",
    rtld_close: "488b05d90100004883ec08e880ffffff4883c4084885c07527c3660f1f440000",
    rtld_lookup: "4883ec08ff15be0100004883c4084883f8ff740cc366662e0f1f840000000000",
    raise: "4883ec08ff15a60100004883c408488b38488b7008488b5010488b4818ff254501000066662e0f1f" +
      "8400000000006690",
    dl_iterate_phdr:
      "534154415541564883ec084989fd4989f6488b7c2428ff156c0100004889c34c8d630831c048833b" +
      "00741b48ff0b4c89e7be400000004c89f241ffd585c075064983c440ebdf4189c44889dfff153e01" +
      "00004489e04883c408415e415d415c5bc366662e0f1f8400000000000f1f4000",
    tls_get_addr:
      "64488b042508000000488b0f483b48f0771348c1e104488b04084883f8ff740548034708c3ff25fd" +
      "0000000f1f440000",
    tlsdesc_static: "488b4008c366662e0f1f840000000000",
    tlsdesc_undefined_weak: "488b400864482b042500000000c36690",
    tlsdesc_dynamic:
      "5751488b780864488b042508000000488b0f483b48f0771448c1e104488b04084883f8ff74064803" +
      "4708eb06ff15a600000064482b042500000000595fc36690",
    lazy: "505756488b7c2418488b742420ff158d0000004989c35e5f584883c41041ffe3",
    early_init: "0000000000000000",
    initialisers: "0000000000000000",
    entry: "0000000000000000",
    signal_error: "0000000000000000",
    host_finish: "0000000000000000",
    host_dlopen: "0000000000000000",
    host_dlmopen: "0000000000000000",
    host_dlclose: "0000000000000000",
    host_done: "0000000000000000",
    host_rtld_open: "0000000000000000",
    host_rtld_close: "0000000000000000",
    host_rtld_lookup: "0000000000000000",
    host_error: "0000000000000000",
    host_phdr: "0000000000000000",
    host_phdr_done: "0000000000000000",
    host_tls: "0000000000000000",
    host_bind: "0000000000000000",
  },
  aarch64: {
    start: "f3030091f0190058700000b42000805200023fd6b4190058908640f8f00000b4600240f961220091" +
      "220c008b4220009100023fd6f9ffff17c0000010b0180058f3031faaf4031faafe031faa00021fd6",
    finish: "fd7bbea9fd030091f30b00f93018005800023fd6f30300aa708640f8700000b400023fd6fdffff17" +
      "f30b40f9fd7bc2a8c0035fd61f2003d51f2003d51f2003d5",
    dlopen: "e2031eaab01600580a0000141f2003d5",
    dlmopen: "e4031eaa70160058060000141f2003d5",
    dlclose: "50160058030000141f2003d51f2003d5",
    with_list: "fd7bbda9fd030091f35301a9f55b02a9f50310aaf60300aaa0023fd6a00000b5880f80d2010000d4" +
      "e00316aafbffff17f30300aa74820091908640f8d00000b4600640f9610a40f9620e40f900023fd6" +
      "faffff17e00313aa5013005800023fd6f55b42a9f35341a9fd7bc3a8c0035fd6",
    rtld_open: "fd7bbfa9b0120058e2ffff97fd7bc1a8800200b4c0035fd61f2003d51f2003d5",
    rtld_close: "fd7bbfa9f0110058daffff97fd7bc1a8800100b5c0035fd61f2003d51f2003d5",
    rtld_lookup: "fd7bbfa93011005800023fd6fd7bc1a81f0400b160000054c0035fd61f2003d5",
    raise: "fd7bbfa97010005800023fd6fd7bc1a8e40300aa800040f9810440f9820840f9830c40f9300d0058" +
      "00021fd61f2003d5",
    dl_iterate_phdr:
      "fd7bbda9fd030091f35301a9f55b02a9f50300aaf60301aae0031eaa700e005800023fd6f30300aa" +
      "74220091e0031f2a610240f9410100b4210400d1610200f9e00314aa010880d2e20316aaa0023fd6" +
      "6000003594020191f6ffff17f403002ae00313aa700c005800023fd6e003142af55b42a9f35341a9" +
      "fd7bc3a8c0035fd6",
    tls_get_addr:
      "41d03bd5210040f9020c40a924005ff85f0004ebe800005442ec7cd3216862f83f0400b160000054" +
      "2000038bc0035fd6500a005800021fd61f2003d51f2003d5",
    tlsdesc_static: "000440f9c0035fd61f2003d51f2003d5",
    tlsdesc_undefined_weak: "e10f1ff8000440f941d03bd5000001cbe10741f8c0035fd61f2003d51f2003d5",
    tlsdesc_dynamic:
      "e10bbda9e31301a9f07b02a9000440f941d03bd5210040f9020c40a924005ff85f0004ebe8000054" +
      "42ec7cd3216862f83f0400b1600000542000038b030000145006005800023fd641d03bd5000001cb" +
      "f07b42a9e31341a9e10bc3a8c0035fd6",
    lazy: "e007bfa9e10b40f900825ff83005005800023fd6f10300aae007c1a8f07bc1a820021fd61f2003d5" +
      "1f2003d51f2003d5",
    early_init: "0000000000000000",
    initialisers: "0000000000000000",
    entry: "0000000000000000",
    signal_error: "0000000000000000",
    host_finish: "0000000000000000",
    host_dlopen: "0000000000000000",
    host_dlmopen: "0000000000000000",
    host_dlclose: "0000000000000000",
    host_done: "0000000000000000",
    host_rtld_open: "0000000000000000",
    host_rtld_close: "0000000000000000",
    host_rtld_lookup: "0000000000000000",
    host_error: "0000000000000000",
    host_phdr: "0000000000000000",
    host_phdr_done: "0000000000000000",
    host_tls: "0000000000000000",
    host_bind: "0000000000000000",
  },
};

export type GnuRuntimePart =
  | "start"
  | "finish"
  | "dlopen"
  | "dlmopen"
  | "dlclose"
  | "with_list"
  | "rtld_open"
  | "rtld_close"
  | "rtld_lookup"
  | "raise"
  | "dl_iterate_phdr"
  | "tls_get_addr"
  | "tlsdesc_static"
  | "tlsdesc_undefined_weak"
  | "tlsdesc_dynamic"
  | "lazy"
  | "early_init"
  | "initialisers"
  | "entry"
  | "signal_error"
  | "host_finish"
  | "host_dlopen"
  | "host_dlmopen"
  | "host_dlclose"
  | "host_done"
  | "host_rtld_open"
  | "host_rtld_close"
  | "host_rtld_lookup"
  | "host_error"
  | "host_phdr"
  | "host_phdr_done"
  | "host_tls"
  | "host_bind";
