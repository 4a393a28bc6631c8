/** Instruction lengths, checked against `objdump -d` on everything in large libraries. */
import { assertEquals } from "@std/assert";
import { X86Decoder } from "../../../modules/ifed/x86_64_decoder.ts";
import { hasTool } from "../sysv/native_process.ts";
import { disassemble, exists } from "./objdump.ts";

/** What objdump prints for bytes that are no instruction: data between functions. */
const NO_INSTRUCTION = /\(bad\)|\.byte|(^|\s)(rex(\.\w+)?|data16|addr32|[c-gs]s|lock|repz?|repnz)$/;
/** Instructions that objdump joins with the `fwait` before them. */
const FWAIT = 0x9b;

const missing = !hasTool("objdump");

for (
  const path of [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/x86_64-linux-gnu/libm.so.6",
  ]
) {
  const ignore = missing || !exists(path);
  Deno.test({
    name: `lengths in ${path}${ignore ? " (skipped: needs it and objdump)" : ""}`,
    ignore,
    fn: async () => {
      const decoder = new X86Decoder();
      const wrong: string[] = [];
      let count = 0;
      const bytes = new Uint8Array(32);
      for await (const { text, encoding } of disassemble("objdump", path)) {
        if (text === "" || NO_INSTRUCTION.test(text)) continue;
        if (encoding[0] === FWAIT && encoding.length > 1) continue;
        // What follows must not matter: bytes that would extend the instruction if they could.
        bytes.fill(0x25);
        bytes.set(encoding);
        const length = decoder.decode(bytes, 0, bytes.length);
        if (length !== encoding.length) wrong.push(`${length} not ${encoding.length}: ${text}`);
        count++;
      }
      assertEquals(wrong, []);
      assertEquals(count > 90_000, true);
    },
  });
}

Deno.test("what is no instruction, or ends early, has no length", () => {
  const decoder = new X86Decoder();
  const length = (...bytes: number[]) => decoder.decode(Uint8Array.from(bytes), 0, bytes.length);
  assertEquals(length(0x06), 0); // PUSH ES
  assertEquals(length(0x0f, 0x04), 0);
  assertEquals(length(0xe8, 1, 2, 3), 0);
  assertEquals(length(0x66), 0);
  assertEquals(length(...new Array(15).fill(0x66), 0x90), 0); // longer than 15 bytes
  assertEquals(length(...new Array(14).fill(0x66), 0x90), 15);
  assertEquals(length(0xc4, 0xe2), 0);
  assertEquals(length(0x8b, 0x05, 1, 2, 3), 0);
});
