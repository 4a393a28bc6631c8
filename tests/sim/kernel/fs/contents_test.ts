/** File contents and names, against the plainest models of both. */
import { assertEquals } from "@std/assert";
import { FileContent } from "../../../../sim/kernel/fs/file_content.ts";
import { decodeName, encodeName, nameLength } from "../../../../sim/kernel/fs/file_name.ts";
import { generator } from "./operations.ts";

const LARGEST = 400_000;

Deno.test("random reads, writes and truncations match one flat array", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = generator(seed);
    const model = new Uint8Array(LARGEST);
    let size = random(2) ? random(LARGEST) : 0;
    for (let i = 0; i < size; i++) model[i] = random(256);
    const lower = model.slice(0, size);
    const content = new FileContent(
      {
        read(position, into) {
          const part = lower.subarray(position, position + into.length);
          into.set(part);
          return part.length;
        },
      },
      size,
    );
    for (let step = 0; step < 300; step++) {
      const position = random(LARGEST);
      const length = random(random(3) ? 500 : 150_000);
      switch (random(4)) {
        case 0: {
          const bytes = new Uint8Array(Math.min(length, LARGEST - position)).fill(random(256));
          assertEquals(content.write(position, bytes), bytes.length);
          model.set(bytes, position);
          if (bytes.length > 0) size = Math.max(size, position + bytes.length);
          break;
        }
        case 1: {
          const next = random(3) ? position : Math.max(0, size - random(1000));
          content.truncate(next);
          if (next < size) model.fill(0, next);
          size = next;
          break;
        }
        default: {
          const into = new Uint8Array(length).fill(7);
          const count = content.read(position, into);
          const expected = model.subarray(position, Math.min(size, position + length));
          assertEquals(count, Math.max(0, expected.length));
          assertEquals(into.subarray(0, count), expected.slice(0, count), `step ${step}`);
        }
      }
      assertEquals(content.size, size);
    }
  }
});

Deno.test("a hole of a terabyte costs nothing", () => {
  const content = new FileContent();
  content.truncate(2 ** 40);
  content.write(2 ** 39, Uint8Array.of(1, 2, 3));
  const into = new Uint8Array(5);
  assertEquals(content.read(2 ** 39 - 1, into), 5);
  assertEquals([...into], [0, 1, 2, 3, 0]);
  assertEquals(content.allocated < 100_000, true);
});

Deno.test("every name of bytes survives being a string, and its length is known", () => {
  const random = generator(7);
  for (let i = 0; i < 5000; i++) {
    const bytes = new Uint8Array(random(12));
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = [65 + random(26), 128 + random(128), random(256)][random(3)] || 1;
    }
    const name = decodeName(bytes);
    assertEquals(encodeName(name), bytes);
    assertEquals(nameLength(name), bytes.length);
  }
  for (const text of ["plain", "é", "日本", "😀", "a\ufffdb", "\u{10ffff}"]) {
    const bytes = new TextEncoder().encode(text);
    assertEquals(decodeName(bytes), text);
    assertEquals(encodeName(text), bytes);
    assertEquals(nameLength(text), bytes.length);
  }
});
