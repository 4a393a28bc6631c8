import { assert, assertEquals, assertThrows } from "@std/assert";
import { Decoded, Flow } from "../../../../sim/cpu/ir/decoded.ts";
import { Decoder } from "../../../../sim/cpu/x86_64/decode.ts";
import { rows, x86_64 } from "../../../../sim/cpu/x86_64/isa.ts";
import { row } from "../../../../sim/cpu/x86_64/row.ts";

/** Files of this machine with many different instructions. */
const FILES = [
  "/usr/bin/bash",
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/x86_64-linux-gnu/libm.so.6",
];
const present = FILES.filter((f) => {
  try {
    return Deno.statSync(f).isFile;
  } catch {
    return false;
  }
});
const hasObjdump = (() => {
  try {
    return new Deno.Command("objdump", { args: ["--version"], stdout: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
})();
const possible = hasObjdump && present.length > 0 && Deno.build.arch === "x86_64";

const CONDITION = "(?:n?[opszbelg]|[abgl]e?|n[abgl]e?|p[eo])";
/** How objdump may spell the mnemonic of a row whose own mnemonic it does not use. */
const spellings: Record<string, RegExp> = {
  jcc: new RegExp(`^j${CONDITION}$`),
  setcc: new RegExp(`^set${CONDITION}$`),
  cmovcc: new RegExp(`^cmov${CONDITION}$`),
  fcmovcc: /^fcmov(b|e|be|u)$/,
  fcmovncc: /^fcmovn(b|e|be|u)$/,
  nop: /^(nop[wl]?|xchg|endbr64|endbr32|prefetch\w*|rdsspq|cldemote|hint_nop\d*|bnd|reservednop)$/,
  prefetch: /^prefetchw?t?\d?$/,
  mov: /^(mov|movabs)$/,
  cdqe: /^(cbw|cwde|cdqe)$/,
  cqo: /^(cwd|cdq|cqo)$/,
  bsf: /^(bsf|tzcnt)$/,
  bsr: /^(bsr|lzcnt)$/,
  movsxd: /^movsxd?$/,
  jrcxz: /^j[er]?cxz$/,
  cmpxchg8b: /^cmpxchg(8|16)b$/,
  fucomi: /^fu?comi$/,
  movd: /^mov[dq]$/,
  pextrd: /^pextr[dq]$/,
  pinsrd: /^pinsr[dq]$/,
  int3: /^int3?$/,
  int1: /^(int1|icebp)$/,
  "ins/outs": /^(ins|outs)$/,
  "in/out": /^(in|out)$/,
  fwait: /^f?wait$/,
  xlat: /^xlatb?$/,
  pushf: /^pushf[qw]?$/,
  popf: /^popf[qw]?$/,
  cmpps: /^cmp\w*ps$/,
  cmppd: /^cmp\w*pd$/,
  cmpss: /^cmp\w*ss$/,
  cmpsd: /^cmp\w*sd$/,
  fxsave: /^fxsave(64)?$/,
  fxrstor: /^fxrstor(64)?$/,
  ud1: /^ud[12]\w*$/,
  ud0: /^ud0$/,
};

/** Words that objdump prints before a mnemonic. */
const PREFIX =
  /^(rep(n?z|n?e)?|repn[ez]|lock|data16|addr32|[cdefgs]s|bnd|notrack|xacquire|xrelease|rex(\.\w+)?)$/;

/** Instructions that need extensions beyond x86-64-v2: VEX, EVEX and what CPUID does not announce. */
const BEYOND =
  /^(v\w+|k(and|or|xor|xnor|not|mov|test|shift|unpck|add)\w*|x(begin|end|abort|test|save\w*|rstor\w*|getbv|setbv)|(blsr|blsi|blsmsk|bzhi|shlx|shrx|sarx|rorx|mulx|andn|pdep|pext|bextr)|adcx|adox|movbe|aes\w+|pclmul\w+|sha\d\w+|rdpkru|wrpkru|rd(fs|gs)base|wr(fs|gs)base|rdrand|rdseed|rdtscp|rdpid|clflushopt|clwb|clzero|serialize|tpause|umonitor|umwait|gf2p8\w+|lzcnt|tzcnt|incsspq|rstorssp|saveprevssp|setssbsy|clrssbsy|wrssq|rdsspq)$/;

Deno.test({
  name: `x86_64 decoder: lengths and mnemonics equal objdump${
    possible ? "" : " (skipped: needs objdump and x86_64 binaries)"
  }`,
  ignore: !possible,
  fn() {
    const out = new Decoded();
    const bytes = new Uint8Array(16);
    const wrong = new Map<string, number>();
    const seen = new Set<number>();
    let checked = 0;
    for (const file of present) {
      const args = ["-d", "-M", "intel", "--insn-width=16", file];
      const { stdout } = new Deno.Command("objdump", { args }).outputSync();
      for (const line of new TextDecoder().decode(stdout).split("\n")) {
        const m = /^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$/.exec(line);
        if (m === null || m[3].includes("(bad)")) continue;
        const code = m[2].trim().split(" ");
        const mnemonic = m[3].split(/\s+/).find((w) => !PREFIX.test(w));
        if (mnemonic === undefined || mnemonic === "" || BEYOND.test(mnemonic)) continue;
        // objdump joins FWAIT with the instruction after it.
        if (code[0] === "9b" && code.length > 1) continue;
        bytes.fill(0xcc);
        code.forEach((b, i) => bytes[i] = parseInt(b, 16));
        assert(x86_64.decode(bytes, 0, 16, parseInt(m[1], 16), out));
        checked++;
        seen.add(out.row);
        const name = rows[out.row].name.split(" ")[0];
        const same = out.row === 0
          ? mnemonic === "ud2"
          : mnemonic === name || spellings[name]?.test(mnemonic);
        if (!same || (out.row !== 0 && out.length !== code.length)) {
          const key = `${mnemonic} as ${name}, length ${code.length} as ${out.length}`;
          wrong.set(key, (wrong.get(key) ?? 0) + 1);
        }
        // Branch targets, where objdump prints an address.
        const target = /^(?:j\w+|call|loop\w*)\s+(?:0x)?([0-9a-f]+)(?:\s|$)/.exec(
          m[3].replace(/^(bnd|notrack) /, ""),
        );
        if (target !== null && [Flow.Jump, Flow.Branch, Flow.Call].includes(out.flow)) {
          assertEquals(out.target, parseInt(target[1], 16), line);
        }
      }
    }
    assert(checked > 100000);
    assert(seen.size > 200, `${seen.size} rows seen`);
    assertEquals([...wrong], []);
  },
});

/** Decode hexadecimal bytes at 0x1000. */
function decode(hex: string, available?: number): Decoded | null {
  const bytes = new Uint8Array(16).fill(0xcc);
  const given = hex.split(" ").map((b) => parseInt(b, 16));
  bytes.set(given);
  const out = new Decoded();
  return x86_64.decode(bytes, 0, available ?? 16, 0x1000, out) ? out : null;
}

Deno.test("x86_64 decoder: every cut-off instruction asks for more bytes", () => {
  const whole = [
    "48 b8 11 22 33 44 55 66 77 88",
    "66 0f 3a 0f 84 8d 11 22 33 44 55",
    "f2 48 0f 38 f1 44 98 12",
    "f0 0f b1 15 11 22 33 44",
    "c8 10 00 01",
    "a1 11 22 33 44 55 66 77 88",
    "0f 8f 11 22 33 44",
  ];
  for (const hex of whole) {
    const length = hex.split(" ").length;
    for (let n = 0; n < length; n++) assertEquals(decode(hex, n), null, `${hex} cut to ${n}`);
    assertEquals(decode(hex, length)?.length, length);
  }
});

Deno.test("x86_64 decoder: undefined encodings", () => {
  const cases = {
    "PUSH ES": "06",
    VEX: "c5 f8 77",
    EVEX: "62 f1 7c 48 58 c0",
    "LOCK ADD with a register": "f0 01 c0",
    "LOCK MOV": "f0 8b 00",
    MOVBE: "0f 38 f0 00",
    "fifteen prefixes": new Array(15).fill("66").join(" "),
  };
  for (const [name, hex] of Object.entries(cases)) {
    const d = decode(hex);
    assertEquals([d?.row, d?.flow], [0, Flow.Stop], name);
  }
});

Deno.test("x86_64 decoder: operands", () => {
  // lea rax, [rip+0x10]: the address is absolute.
  let d = decode("48 8d 05 10 00 00 00")!;
  assertEquals([d.imm0Low, d.imm0High, d.regs[1]], [0x1017, 0, 0]);
  // mov byte [rip-0x1100], 5: below zero, as 64 bits; the immediate beside it.
  d = decode("c6 05 00 ef ff ff 05")!;
  assertEquals([d.imm0Low, d.imm0High, d.imm1], [0x1007 - 0x1100, -1, 5]);
  // mov ah, bl and, with REX, mov spl, bl.
  assertEquals([...decode("88 dc")!.regs.slice(0, 2)], [0x118, 0x101]);
  assertEquals([...decode("40 88 dc")!.regs.slice(0, 2)], [0x118, 0x120]);
  // A REX prefix before another prefix does not count.
  assertEquals([...decode("48 66 01 d8")!.regs.slice(0, 2)], [0x118, 0x100]);
  assertEquals(decode("48 66 01 d8")!.statics & 3, 1);
});

Deno.test("no two rows claim one encoding", () => {
  new Decoder(rows).complete();
  assertThrows(
    () => new Decoder([...rows, row("0f.af /3", "twice Ev", () => {})]).complete(),
    TypeError,
    "taken",
  );
});
