/** What iFed's table measures: programs of Debian 12, and the ways to link them. */
import type { Arch } from "../../../sim/arch.ts";
import type { MachineOptions } from "../../../sim/machine.ts";
import { ifed, linux } from "../../../modules/mod.ts";

/** A program with arguments; `{triplet}` stands for the architecture's. */
export interface Work {
  readonly name: string;
  readonly argv: readonly string[];
  /** Its standard input. */
  readonly stdin?: string;
}

/** Programs of `rootfs.ts --set programs`; 4 to 50 million instructions each. */
export const works: readonly Work[] = [
  {
    name: "cc1 -O2",
    argv: ["/usr/lib/gcc/{triplet}/12/cc1", "-quiet", "-O2", "-", "-o", "/dev/null"],
    stdin: "int sum(int *p, int n) { int s = 0; while (n--) s += *p++; return s; }\n",
  },
  {
    name: "python3",
    argv: ["/usr/bin/python3", "-S", "-c", "import _lzma; print(_lzma.is_check_supported(0))"],
  },
  {
    name: "perl",
    argv: [
      ...["/usr/bin/perl", "-MList::Util=sum", "-MDigest::MD5=md5_hex", "-e"],
      "print sum(map { $_ * $_ } 1 .. 1000), md5_hex(join ',', 1 .. 1000)",
    ],
  },
  {
    name: "php",
    argv: [
      ...["/usr/bin/php8.2", "-n", "-r"],
      "for ($i = 0, $s = 0; $i < 1000; $i++) $s += strlen(md5((string) $i)); echo $s;",
    ],
  },
  {
    name: "ruby",
    argv: [
      ...["/usr/bin/ruby3.1", "--disable-gems", "-e"],
      "puts (1..500).map { |i| i * i }.select(&:even?).sum",
    ],
  },
  {
    name: "sqlite3",
    argv: [
      ...["/usr/bin/sqlite3", ":memory:"],
      "with recursive t(n) as (select 1 union all select n+1 from t where n<2000) " +
      "select sum(n*n), count(distinct n%97) from t;",
    ],
  },
  {
    name: "git",
    argv: [
      ...["/usr/bin/git", "diff", "--no-index", "--stat"],
      ...["/usr/share/perl/5.36/Getopt/Long.pm", "/usr/share/perl/5.36/Carp.pm"],
    ],
  },
  { name: "openssl", argv: ["/usr/bin/openssl", "list", "-cipher-algorithms"] },
  {
    name: "gawk",
    argv: [
      "/usr/bin/gawk",
      'BEGIN { for (i = 0; i < 2000; i++) { s[i % 97] += i; t = t sprintf("%d", i % 10) } print length(t), s[5] }',
    ],
  },
  {
    name: "bash",
    argv: [
      ...["/bin/bash", "-c"],
      "for ((i = 0; i < 150; i++)); do a[i % 50]=$((i * i)); s=${a[*]}; done; echo ${#s}",
    ],
  },
  {
    name: "tclsh",
    argv: ["/usr/bin/tclsh8.6", "/dev/stdin"],
    stdin: "for {set i 0} {$i < 500} {incr i} {incr s [string length $i]}\nputs $s\n",
  },
  { name: "curl", argv: ["/usr/bin/curl", "--version"] },
];

/** A way to link and to get huge pages. */
export interface Mode {
  readonly name: string;
  readonly modules: () => MachineOptions["modules"];
  /** Huge pages come from a pool of so many, and transparent ones are off. */
  readonly pool?: number;
  /** Measured on this program alone. */
  readonly only?: string;
}

const POOL = 64;

export const modes: readonly Mode[] = [
  { name: "base", modules: linux },
  { name: "aligned", modules: () => [...linux(), ifed.align()] },
  { name: "concatenated", modules: () => [...linux(), ifed.concatenate()] },
  {
    name: "direct calls",
    modules: () => [...linux(), ifed.concatenate(), ifed.eliminateBranches()],
  },
  {
    name: "rights kept",
    modules: () => [...linux(), ifed.concatenate({ rights: "kept" })],
    only: "python3",
  },
  { name: "aligned, pool", modules: () => [...linux(), ifed.align()], pool: POOL, only: "python3" },
  {
    name: "concatenated, pool",
    modules: () => [...linux(), ifed.concatenate()],
    pool: POOL,
    only: "python3",
  },
  {
    name: "rights kept, pool",
    modules: () => [...linux(), ifed.concatenate({ rights: "kept" })],
    pool: POOL,
    only: "python3",
  },
  {
    name: "direct calls alone",
    modules: () => [...linux(), ifed.eliminateBranches()],
    only: "python3",
  },
];

/** The arguments on an architecture. */
export function argumentsOf(work: Work, arch: Arch): string[] {
  return work.argv.map((argument) => argument.replace("{triplet}", `${arch}-linux-gnu`));
}
