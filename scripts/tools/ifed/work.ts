/** What iFed's table measures: programs of Debian 12, and the ways to link them. */
import type { Arch } from "../../../sim/arch.ts";
import type { MachineOptions } from "../../../sim/machine/options.ts";
import { ifed, linux } from "../../../modules/mod.ts";

/** A program with arguments; `{triplet}` stands for the architecture's. */
export interface Work {
  readonly name: string;
  readonly argv: readonly string[];
}

/** Programs of `rootfs.ts --set programs`; 3 to 20 million instructions each, most of them their start. */
export const works: readonly Work[] = [
  {
    name: "cc1",
    argv: [
      ...["/usr/lib/gcc/{triplet}/12/cc1", "-quiet", "-fsyntax-only", "-ffreestanding"],
      ...["-nostdinc", "-I", "/g/libc", "/g/programs/sieve.c", "-o", "/dev/null"],
    ],
  },
  {
    name: "python3",
    argv: ["/usr/bin/python3", "-S", "-c", "import _lzma; print(_lzma.is_check_supported(0))"],
  },
  {
    name: "perl",
    argv: ["/usr/bin/perl", "-MList::Util=sum", "-e", "print sum(map { $_ * $_ } 1 .. 1000)"],
  },
  { name: "php", argv: ["/usr/bin/php8.2", "-n", "-r", "echo array_sum(range(1, 1000));"] },
  {
    name: "ruby",
    argv: ["/usr/bin/ruby3.1", "--disable-gems", "-e", "puts (1..300).map { |i| i * i }.sum"],
  },
  {
    name: "sqlite3",
    argv: [
      ...["/usr/bin/sqlite3", ":memory:"],
      "with recursive t(n) as (select 1 union all select n+1 from t where n<1000) " +
      "select sum(n*n), count(distinct n%97) from t;",
    ],
  },
  {
    name: "git",
    argv: [
      ...["/usr/bin/git", "diff", "--no-index", "--stat"],
      ...["/usr/share/perl/5.36/Carp.pm", "/usr/share/perl/5.36/Symbol.pm"],
    ],
  },
  { name: "openssl", argv: ["/usr/bin/openssl", "list", "-digest-commands"] },
  {
    name: "gawk",
    argv: [
      "/usr/bin/gawk",
      'BEGIN { for (i = 0; i < 1000; i++) { s[i % 97] += i; t = t sprintf("%d", i % 10) } print length(t), s[5] }',
    ],
  },
  { name: "curl", argv: ["/usr/bin/curl", "--version"] },
  {
    name: "bash",
    argv: [
      ...["/bin/bash", "-c"],
      "for ((i = 0; i < 50; i++)); do a[i]=$((i * i)); s=${a[*]}; done; echo ${#s}",
    ],
  },
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
    only: "openssl",
  },
  { name: "aligned, pool", modules: () => [...linux(), ifed.align()], pool: POOL, only: "openssl" },
  {
    name: "concatenated, pool",
    modules: () => [...linux(), ifed.concatenate()],
    pool: POOL,
    only: "openssl",
  },
  {
    name: "rights kept, pool",
    modules: () => [...linux(), ifed.concatenate({ rights: "kept" })],
    pool: POOL,
    only: "openssl",
  },
  {
    name: "direct calls alone",
    modules: () => [...linux(), ifed.eliminateBranches()],
    only: "openssl",
  },
];

/** The arguments on an architecture. */
export function argumentsOf(work: Work, arch: Arch): string[] {
  return work.argv.map((argument) => argument.replace("{triplet}", `${arch}-linux-gnu`));
}
