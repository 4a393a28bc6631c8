import { assertEquals } from "@std/assert";
Deno.test("the host is little-endian", () => {
  assertEquals(new Uint8Array(new Uint16Array([1]).buffer)[0], 1);
});
