/** Every algorithm of openssl, and runtimes that compile at run time (rootfs.ts --set runtimes). */
import { bash, type Program } from "./program.ts";

const lua = `
local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
local t, s = {}, 0
for i = 1, 200000 do t[i % 1000 + 1] = i * 0.5; s = s + math.sin(i) * (i % 7) end
print(fib(22), string.format("%.17g", s), #t, ("x"):rep(5), ("a1b22"):gsub("%d+", "<%0>"))
print(pcall(error, {code = 1}), select("#", table.unpack and table.unpack(t, 1, 5) or unpack(t, 1, 5)))
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(co(), co(), co())
`;

const luajit = `${lua}
local ffi, bit = require("ffi"), require("bit")
ffi.cdef[[int printf(const char *, ...); typedef struct { double x; int32_t n; } point; int abs(int);]]
print((jit.status()))
local points, sum = ffi.new("point[100]"), 0
for round = 1, 2000 do
  for i = 0, 99 do points[i].x = points[i].x + i / 3; points[i].n = bit.bxor(points[i].n * 31, round + i) end
end
for i = 0, 99 do sum = sum + points[i].x + points[i].n end
print(string.format("%.17g", sum), ffi.C.abs(-5), ffi.sizeof("point"), tostring(bit.tohex(bit.rol(0x12345678, 12))))
io.flush() ffi.C.printf("%d %.3f\\n", ffi.cast("int", 7), 2.5)
`;

export const runtimePrograms: readonly Program[] = [
  bash(
    "openssl/every digest",
    "for d in $(openssl list -digest-commands); do openssl dgst -$d -hex < /bin/bash; done 2>&1",
    { needs: "/usr/bin/openssl", long: true },
  ),
  bash(
    "openssl/every cipher",
    `cd /tmp; head -c 20011 /bin/bash > text; for c in $(openssl list -cipher-commands); do
  openssl enc -$c -k secret -pbkdf2 -iter 3 -S 0102030405060708 -in text -out e 2>&1
  sha256sum e
  openssl enc -d -$c -k secret -pbkdf2 -iter 3 -S 0102030405060708 -in e 2>&1 | cmp - text && echo $c
done`,
    { needs: "/usr/bin/openssl", long: true },
  ),
  {
    name: "lua/compiled by luajit",
    argv: ["/usr/bin/luajit", "-e", luajit],
    long: true,
  },
  {
    name: "lua/the same interpreted",
    argv: ["/usr/bin/lua5.4", "-e", lua],
    long: true,
  },
];
