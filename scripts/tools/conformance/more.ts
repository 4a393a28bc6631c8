/**
 * Cases of programs that are not in the usual roots: interpreters, build tools, archivers. Make the
 * roots with `rootfs.ts --set programs`, and run these with `conformance.ts --root bookworm-programs`.
 */
import { bash, type Program } from "./program.ts";

/** Packages with all programs below. */
export const morePackages: readonly string[] = [
  ...["base-files", "base-passwd", "bash", "coreutils", "make", "bc", "dc", "jq", "m4", "git"],
  ...["zstd", "gawk", "sed", "grep", "python3", "perl", "tcl", "ruby", "g++", "bison", "flex"],
  ...["patch", "cpio", "less", "xxd", "unzip", "zip", "guile-3.0", "ocaml-interp", "php-cli"],
  ...["nodejs", "tcc"],
];

function needing(program: string, name: string, script: string, more: Partial<Program> = {}) {
  return bash(name, script, { needs: `/usr/bin/${program}`, ...more });
}

const cplusplus = `
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
struct Circle : Shape { double r; explicit Circle(double r) : r(r) {} double area() const override { return 3.14159265358979 * r * r; } };
struct Square : Shape { double s; explicit Square(double s) : s(s) {} double area() const override { return s * s; } };
static int deep(int n) { if (n == 0) throw std::runtime_error("bottom"); std::string s(n, 'x'); return deep(n - 1) + (int)s.size(); }
int main() {
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 1; i < 6; i++) { if (i % 2) shapes.push_back(std::make_unique<Circle>(i)); else shapes.push_back(std::make_unique<Square>(i)); }
  double total = 0; for (auto &s : shapes) total += s->area();
  std::cout.precision(12); std::cout << total << "\\n";
  std::map<std::string, int> words; for (auto w : {"b", "a", "c", "a"}) words[w]++;
  for (auto &[w, n] : words) std::cout << w << n << " ";
  try { deep(50); } catch (const std::exception &e) { std::cout << e.what() << "\\n"; }
  if (dynamic_cast<Circle *>(shapes[0].get())) std::cout << "circle\\n";
  std::vector<int> v(1000); std::iota(v.begin(), v.end(), 0); std::vector<std::thread> ts; std::vector<long> sums(4);
  for (int t = 0; t < 4; t++) ts.emplace_back([&, t] { sums[t] = std::accumulate(v.begin() + t * 250, v.begin() + (t + 1) * 250, 0L); });
  for (auto &t : ts) t.join();
  std::cout << std::accumulate(sums.begin(), sums.end(), 0L) << " end" << std::endl;
  throw 42;
}
`;

/** Exceptions that a shared library throws, catches and lets through, in a program and in its thread. */
const throwing = `cd /tmp; cat > t.h <<'E'
#include <stdexcept>
struct Own { virtual ~Own(); int n; explicit Own(int n) : n(n) {} };
struct Leaves { int *n; ~Leaves() { ++*n; } };
void throws(int kind, int *left, void (*call)());
int catches(void (*call)());
E
cat > t.cc <<'E'
#include "t.h"
Own::~Own() {}
void throws(int kind, int *left, void (*call)()) {
  Leaves leaves{left};
  if (kind == 0) throw 42;
  if (kind == 1) throw std::runtime_error("library");
  if (kind == 2) throw Own(7);
  call();
}
int catches(void (*call)()) { try { call(); } catch (const Own &own) { return own.n; } return 0; }
E
cat > m.cc <<'E'
#include <cstdio>
#include <dlfcn.h>
#include <pthread.h>
#include "t.h"
static void call() { throw std::out_of_range("program"); }
static void *all(void *) {
  int left = 0;
  for (int kind = 0; kind < 4; kind++) {
    try { throws(kind, &left, call); }
    catch (int n) { std::printf("%d\\n", n); }
    catch (const Own &own) { std::printf("own %d\\n", own.n); }
    catch (const std::exception &e) { std::printf("%s\\n", e.what()); }
  }
  std::printf("%d %d\\n", left, catches([] { throw Own(5); }));
  return nullptr;
}
int main() {
  all(nullptr);
  pthread_t thread;
  pthread_create(&thread, nullptr, all, nullptr);
  pthread_join(thread, nullptr);
  void *again = dlopen("./u.so", RTLD_NOW | RTLD_LOCAL);
  auto late = (void (*)(int, int *, void (*)()))dlsym(again, "_Z6throwsiPiPFvvE");
  int left = 0;
  try { late(3, &left, call); } catch (const std::out_of_range &e) { std::printf("%s %d\\n", e.what(), left); }
  std::fflush(stdout);
  throws(2, &left, call);
}
E
g++ -fPIC -shared t.cc -o t.so; cp t.so u.so; g++ m.cc ./t.so -o m; ./m; echo $?`;

const extensions = `
import ssl, sqlite3, ctypes, lzma, decimal, hashlib, bz2, zlib, socket, pwd, grp, curses, readline, unicodedata, uuid
print(ssl.OPENSSL_VERSION, sqlite3.sqlite_version, decimal.__libmpdec_version__)
a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(a, b, server_hostname="example.org")
try: client.do_handshake()
except ssl.SSLWantReadError: print("hello", b.pending > 100)
print(sqlite3.connect(":memory:").execute("select 6 * 7, upper('x')").fetchone())
print(lzma.decompress(lzma.compress(b"x" * 10000))[:3], bz2.decompress(bz2.compress(b"y" * 99))[:3], decimal.Decimal(2).sqrt(), hashlib.sha3_256(b"z").hexdigest())
libm = ctypes.CDLL("libm.so.6"); libm.cos.restype = ctypes.c_double; libm.cos.argtypes = [ctypes.c_double]; print(libm.cos(1.0))
print(pwd.getpwnam("root").pw_dir, grp.getgrgid(8).gr_name, socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM), unicodedata.name("\\u00df"))
`;

export const morePrograms: readonly Program[] = [
  needing("curl", "curl/version", "curl --version; curl -s file:///etc/passwd | head -1"),
  needing(
    "ffmpeg",
    "ffmpeg/version",
    "ffmpeg -version; echo $?; ffmpeg -hide_banner -v error -f lavfi -i sine=duration=0.1 -f wav - | sha256sum",
  ),
  needing("node", "node/version", "node --version"),
  needing("g++", "c++/exceptions through libraries", throwing, { long: true }),
  {
    name: "python/extension modules",
    argv: ["/usr/bin/python3", "-c", extensions],
    needs: "/usr/lib/python3.11/lib-dynload",
  },
  bash(
    "glibc/name services and character sets",
    `getent passwd root nobody; echo $?; getent passwd nosuch; echo $?; getent group mail; getent hosts localhost; getent ahosts 127.0.0.1; for set in UTF-16LE ISO-8859-15 EUC-JP IBM037 SHIFT_JIS ASCII//TRANSLIT; do printf 'a\\xe2\\x82\\xac\\xc3\\xa9' | iconv -f UTF-8 -t $set 2>/dev/null | od -An -tx1; done; ls -n --time-style=+ /etc/passwd; stat -c %U:%G /etc/passwd; locale -a | head -3`,
  ),
  needing(
    "make",
    "make/loops",
    `cd /tmp; printf 'all: $(foreach i,1 2 3 4 5,f$i.out)\\n\\t@cat $^\\nf%%.out: f%%.in\\n\\t@echo built $@; sed s/x/$*/ $< > $@\\n%%.in:\\n\\t@echo x-$* > $@\\nfail:\\n\\t@exit 3\\nX := $(shell echo sub)\\nvar:\\n\\t@for i in a b; do echo $$i $(X) $(words 1 2 3) $(patsubst %%.c,%%.o,a.c b.c); done\\n.SECONDARY:\\n' > Makefile; make; make; make var; make fail; echo $?; make -n var; make -j3 -B | sort; make nosuch; echo $?; touch -d tomorrow f1.in; make 2>/dev/null`,
  ),
  needing(
    "bc",
    "bc/arithmetic",
    `echo 'scale=60; a(1)*4; e(1); s(1); l(2); sqrt(2); 2^200; 1/7; obase=16; 255; ibase=16; FF' | bc -l; echo 'define f(n) { if (n < 2) return 1; return n * f(n - 1); } f(100); for (i = 0; i < 5; i++) i^i; 5 % 3; -7 / 2' | bc; echo '16 o 100 p 2 3 ^ p 5 k 1 3 / p [la 1 + d sa 10 >b] sb 0 sa lb x la p' | dc; echo '1/0' | bc; echo $?`,
  ),
  needing(
    "jq",
    "jq/filters",
    `echo '{"a":[1,2.5,{"b":"x"}],"c":null}' | jq -cS '.a[2].b, (.a[:2] | add), keys, (.a | length), (.a[0] as $x | $x + 1), (tostring), (.a | map(type)), ([range(10)] | map(select(. % 2 == 0))), (1 / 3), 1e1000, ("a,b" | split(",")), (now | type), ([3, 1, 2] | sort), ("test" | test("T"; "i")), ({} | .x.y = 1), @base64 "x\\(1+1)"'; echo '[1' | jq .; echo $?; jq -n '[limit(5; repeat(1))] | @csv' -r; seq 5 | jq -s 'add / length'; jq -n 'def f: if . > 1 then . * (. - 1 | f) else 1 end; 20 | f'`,
  ),
  needing(
    "m4",
    "m4 bison flex",
    `cd /tmp; echo 'define(f, \`ifelse($1, 0, 1, \`eval($1 * f(decr($1)))'"'"')'"'"')f(8) len(abc) substr(hello, 1, 3) translit(abc, a-c, A-C) esyscmd(echo hi)' | m4; printf '%%token N\\n%%%%\\ne: N | e N;\\n%%%%\\n' > a.y; bison -d a.y -o a.c; sha256sum a.c a.h; printf '%%%%\\n[0-9]+ printf("n");\\n.|\\\\n ECHO;\\n%%%%\\n' > l.l; flex -t l.l | sha256sum`,
  ),
  needing(
    "git",
    "git/repository",
    `cd /tmp; export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; git init -q -b main r; cd r; seq 100 > f; git add f; git commit -qm one; git checkout -qb side; sed -i 5d f; git commit -qam two; git checkout -q main; echo x >> f; mkdir d; cp f d; git add .; git commit -qm three; git merge -q side -m merge; git log --graph --oneline --stat; git diff HEAD~1 | tail -5; git rev-parse HEAD; git cat-file -p HEAD^{tree}; git gc -q; git fsck; git clone -q . ../c 2>/dev/null; cd ../c; git log -1 --format=%H; git blame f | tail -1; git archive HEAD | sha256sum; git stash list; git status --short; git grep -n 99; git bisect start HEAD HEAD~2 | head -1`,
  ),
  needing(
    "zstd",
    "archivers",
    `cd /tmp; seq 30000 > t; for l in 1 9 19; do zstd -q -$l -T1 -c t | zstd -dc | cmp - t; zstd -q -$l -T1 -c t | sha256sum; done; zstd -q --train x 2>/dev/null; echo $?; zip -qX -9 a.zip t; unzip -p a.zip | cmp - t; unzip -l a.zip | tail -1; echo t | cpio -o --quiet -H newc | cpio -it --quiet; xxd t | head -2; xxd -r <(xxd t) | cmp - t; sed 5d t > u; diff -u t u > p; patch -s t p; cmp t u; echo $?; less t | tail -1`,
  ),
  needing(
    "tclsh",
    "tcl/script",
    `echo 'proc fib n {expr {$n < 2 ? $n : [fib [expr {$n - 1}]] + [fib [expr {$n - 2}]]}}; puts [fib 17]; puts [format %.10f [expr {sin(1) + 1/3.0}]]; puts [lsort -integer {3 1 2}]; puts [regsub -all {[aeiou]} hello <&>]; array set a {x 1 y 2}; foreach k [lsort [array names a]] {puts $k=$a($k)}; puts [expr {2**100}]; puts [clock format 0 -gmt 1]; puts [exec echo sub]; dict set d a b 1; puts $d; coroutine c apply {{} {yield 1; yield 2}}; puts [c]; exit 4' | tclsh`,
  ),
  needing(
    "ruby",
    "ruby/script",
    `ruby -rjson -rdigest -rset -e 'puts [3,1,2].sort.map { |x| x ** 2 }.inject(:+), 2**200, 10.fdiv(3), "héllo".upcase, "a1b22".gsub(/\\d+/) { |m| (m.to_i * 2).to_s }, {a: [1, nil]}.to_json, Digest::SHA256.hexdigest("x"), format("%.15g %x %e", 0.1, 255, 1e10), Rational(1, 3) + 2, Complex(1, 2) ** 2, (1..Float::INFINITY).lazy.map { |x| x * 2 }.select { |x| x % 3 == 0 }.first(3).inspect; t = 4.times.map { |i| Thread.new { (1..1000).sum * i } }; p t.map(&:value); f = Fiber.new { Fiber.yield 1; 2 }; p f.resume, f.resume; begin; raise ArgumentError, "x"; rescue => e; p e; ensure; puts "ensured"; end; def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2); p fib(20), \`echo sub\`, $?.exitstatus; pid = fork { exit 3 }; Process.wait pid; p $?.exitstatus; h = Hash.new { |hh, k| hh[k] = k * 2 }; p h[4]; p ObjectSpace.count_objects.is_a?(Hash); GC.start; case [1, [2, 3]] in [a, [b, *]] then p a + b end; exit 6'`,
  ),
  needing(
    "g++",
    "c++/compile run",
    `cd /tmp; cat > a.cc; g++ -O2 -std=c++20 -S a.cc -o a.s; sha256sum a.s; g++ a.s -o a; ./a; echo $?`,
    {
      stdin: cplusplus,
      long: true,
    },
  ),
  needing(
    "tcc",
    "tcc/run",
    `cd /tmp; echo '#include <stdio.h>
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(void) { printf("%d %g\\n", fib(20), 1 / 3.0); return 5; }' > a.c; tcc -run a.c; echo $?; tcc a.c -o a && ./a; echo $?; tcc -c a.c; sha256sum a.o`,
  ),
  needing(
    "guile",
    "guile/script",
    `guile --no-auto-compile -c '(use-modules (ice-9 format) (srfi srfi-1)) (define (fact n) (if (= n 0) 1 (* n (fact (- n 1))))) (display (fact 50)) (newline) (format #t "~a ~,5f ~s~%" (exact->inexact 1/3) 3.14159265 "x") (display (fold + 0 (iota 100))) (newline) (display (call/cc (lambda (k) (+ 1 (k 42))))) (newline) (display (sqrt -4)) (display (sort (list 3 1 2) <)) (newline) (exit 5)'`,
    { long: true },
  ),
  needing(
    "ocaml",
    "ocaml/script",
    `cd /tmp; echo 'let rec fib n = if n < 2 then n else fib (n-1) + fib (n-2) let () = Printf.printf "%d %.12g %s\\n" (fib 20) (sin 1.0) (String.concat "," (List.map string_of_int (List.sort compare [3;1;2]))); (try failwith "x" with Failure m -> print_endline m); Hashtbl.(let h = create 7 in add h 1 "a"; print_endline (find h 1)); Gc.full_major (); exit 3' > a.ml; ocaml a.ml`,
  ),
  needing(
    "php8.2",
    "php/script",
    `php8.2 -n -r '$a = array_map(fn($x) => $x ** 2, range(1, 5)); echo json_encode(["a" => $a, "b" => 1.5, "c" => null]), "\\n"; printf("%.10f %05d %x %e %s\\n", M_PI, 42, 255, 12345.678, 0.1 + 0.2); echo preg_replace("/(\\d+)/", "<$1>", "a1b22"), md5("x"), sha1("y"), crc32("z"), "\\n"; function g() { foreach ([1, 2] as $x) yield $x; } foreach (g() as $v) echo $v; try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo $e->getMessage(); } usort($a, fn($x, $y) => $y <=> $x); print_r($a); echo serialize(["x" => 1.1]), str_pad("x", 5, "-"), ucfirst("abc"), "\\n"; $s = 0; for ($i = 0; $i < 30000; $i++) $s += fmod(sin($i) * $i, 7); echo $s; exit(4);'`,
  ),
  needing(
    "node",
    "node/interpreted",
    `node --jitless -e 'console.log([3, 1, 2].sort(), 0.1 + 0.2, 2n ** 100n, "a1b".replace(/\\d/, "<$&>"), JSON.stringify({a: [1, null]}), require("crypto").createHash("sha256").update("x").digest("hex")); setTimeout(() => { console.log("later"); process.exit(3) }, 20); Promise.resolve(1).then(console.log)'`,
    { long: true },
  ),
  needing(
    "node",
    "node/compiled",
    `node -e 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } console.log(fib(24)); let s = 0; for (let i = 0; i < 1e6; i++) s += Math.sin(i) * (i % 7); console.log(s); const m = new Map(); for (let i = 0; i < 1e4; i++) m.set("k" + i % 100, i); console.log(m.size, [...m.values()].reduce((a, b) => a + b)); class A { #x = 1; get x() { return this.#x } } console.log(new A().x, new Float64Array([1, 2]).map((x) => x / 3)); require("child_process").execSync("echo sub", {stdio: "inherit"}); (async () => { for await (const x of (async function* () { yield 1; yield 2 })()) console.log(x); process.exitCode = 7 })()'`,
    { long: true },
  ),
];
