/** Cases: Python, Perl, Lua and SQL. */
import { bash, perl, type Program, python } from "./program.ts";

export const languagePrograms: readonly Program[] = [
  python("python/print", "print(1)", { quick: true }),
  python(
    "python/json re math",
    `
import json, re, math
d = {"a": [1, 2.5, None, True, "x\\u00e9\\n"], "b": {"c": -1e-7, "d": 10**20}}
s = json.dumps(d, sort_keys=True); print(s, json.loads(s) == d); print(json.dumps(d, indent=2))
t = " ".join("word%d" % (i * 7919 % 1000) for i in range(3000))
print(len(re.findall(r"\\bword(\\d)(\\d)\\2\\b", t)), re.sub(r"(\\d+)", lambda m: str(int(m[1]) + 1), t)[:60], re.split(r"[ ,]+", "a, b c"))
print([f(0.7) for f in (math.sin, math.cos, math.tan, math.exp, math.log, math.sqrt, math.gamma, math.erf, math.asinh, math.expm1, math.lgamma)])
print(math.fsum([0.1] * 10), math.factorial(30), math.gcd(123456, 7890), math.comb(50, 25), math.hypot(3, 4), math.pow(2, 0.5), math.fmod(-7, 3), math.frexp(1e10), math.isqrt(10**20), math.nextafter(1, 2), math.ulp(1e10), math.dist((1, 2), (4, 6)))
try: json.loads("{bad")
except ValueError as e: print(e)
`,
    { quick: true },
  ),
  python(
    "python/threading",
    `
import threading, queue, time
q = queue.Queue(); out = []; lock = threading.Lock(); total = 0
def work():
    global total
    while (x := q.get()) is not None:
        with lock: total += x * x
        time.sleep(0.0001)
ts = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in ts]; [q.put(i) for i in range(200)]; [q.put(None) for _ in ts]; [t.join() for t in ts]; print(total)
e = threading.Event(); threading.Timer(0.05, e.set).start(); print(e.wait(5), threading.Event().wait(0.01))
b = threading.Barrier(3); r = []
def arrive(i): b.wait(); r.append(i)
ts = [threading.Thread(target=arrive, args=(i,)) for i in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(r))
c = threading.Condition(); ready = []
def waiter():
    with c: c.wait_for(lambda: ready); print("ready")
t = threading.Thread(target=waiter); t.start()
with c: ready.append(1); c.notify_all()
t.join(); l = threading.local(); s = threading.Semaphore(2); print(s.acquire(timeout=1), s.acquire(), s.acquire(timeout=0.01))
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(3) as ex: print(list(ex.map(lambda x: x ** 2, range(10))))
`,
    { quick: true },
  ),
  python(
    "python/subprocess",
    `
import subprocess as s, os, sys, signal
print(s.run(["echo", "hi"], capture_output=True)); print(s.check_output("echo $((6*7)); exit 0", shell=True))
print(len(s.run(["cat"], input=b"x" * 200000, stdout=s.PIPE).stdout)); print(s.call(["false"]), s.call("exit 5", shell=True), s.call("kill -9 $$", shell=True))
p = s.Popen(["sort"], stdin=s.PIPE, stdout=s.PIPE, text=True); print(p.communicate("b\\na\\n"), p.returncode)
p = s.Popen(["sleep", "100"]); p.send_signal(signal.SIGTERM); print(p.wait())
try: s.run(["sleep", "5"], timeout=0.1)
except s.TimeoutExpired as e: print("timeout")
try: s.run(["/nonexistent"])
except FileNotFoundError as e: print(e)
r, w = os.pipe(); sys.stdout.flush(); pid = os.fork()
if pid == 0: os.write(w, b"child"); os._exit(3)
print(os.read(r, 10), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); sys.stdout.flush()
p1 = s.Popen(["seq", "100"], stdout=s.PIPE); p2 = s.Popen(["tail", "-1"], stdin=p1.stdout, stdout=s.PIPE); print(p2.communicate()[0]); sys.exit(7)
`,
    { quick: true },
  ),
  python(
    "python/hashlib struct",
    `
import hashlib, struct, zlib, binascii, base64, hmac, random, secrets, bz2, lzma, gzip
d = bytes(i * i % 251 for i in range(50000))
for n in sorted(hashlib.algorithms_guaranteed):
    h = hashlib.new(n, d); print(n, h.hexdigest(20) if n.startswith("shake") else h.hexdigest())
print(hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000).hex(), hashlib.scrypt(b"p", salt=b"s", n=16, r=8, p=1).hex()[:20], hmac.new(b"k", d, "sha512").hexdigest()[:20])
print(struct.pack("<bBhHiIqQfd?5s", -1, 255, -2, 65535, -3, 2**32 - 1, -4, 2**64 - 1, 1.5, -2.25, True, b"abc").hex(), struct.unpack(">d", struct.pack("<d", 1e-310)[::-1]), struct.pack("e", 65504.0).hex(), struct.unpack("<e", b"\\x01\\x00"))
print(zlib.crc32(d), zlib.adler32(d), binascii.crc_hqx(d, 0), base64.b85encode(d[:20]))
for m in (zlib, bz2, lzma, gzip): assert m.decompress(m.compress(d)) == d
print(len(zlib.compress(d, 9)), len(bz2.compress(d)), len(lzma.compress(d))); random.seed(5); print(random.random(), random.gauss(0, 1), random.sample(range(100), 5), random.getrandbits(70), random.betavariate(1, 2)); print(len(secrets.token_bytes(8)))
`,
  ),
  python(
    "python/decimal and numbers",
    `
from decimal import *; from fractions import Fraction; import statistics, cmath
getcontext().prec = 60; print(Decimal(2).sqrt(), Decimal(1) / 7, Decimal("1e-50").ln(), Decimal(3).exp(), (Decimal(10) ** 40).log10(), Decimal("1.005").quantize(Decimal("0.01"), ROUND_HALF_EVEN))
print(Fraction(3, 7) ** 5 + Fraction("0.125"), Fraction(0.1).limit_denominator(1000), statistics.stdev(range(100)), cmath.exp(1j * 3), (1 + 2j) ** (0.5 - 1j))
a, b = 0, 1
for _ in range(2000): a, b = b, a + b
print(a % 10**50, len(str(a)), pow(3, 10**18, 10**9 + 7), 7**-1, divmod(-10**30, 7**12), (2**521 - 1).bit_length(), hex(3**200), int("z" * 30, 36), 1 << 300 >> 290, -5 // 3, 2**0.5, 1e16 + 1, round(2.675, 2), round(0.5), float("1e400"), -0.0, float("nan"), 5e-324, 1.7976931348623157e308, 0.1 + 0.2, float.fromhex("0x1.8p-1074"), (0.1).hex(), repr(1/3), 1e22, 123456789012345678)
print("%.20g %.3e %10.4f|%-8d|%+d|%x %o %r" % (0.1, 12345.678, 3.14159, 42, 7, 255, 8, "q"), f"{1234567.891:,.2f} {255:#010b} {0.5:.1%} {'x':^7}", format(2**70, "_d"))
`,
  ),
  python(
    "python/standard library",
    `
import collections, itertools, functools, heapq, bisect, dataclasses, enum, datetime, textwrap, string, copy, pickle, io, csv, configparser, urllib.parse, html, xml.etree.ElementTree as E, sqlite3, tempfile, os, shutil, pathlib, glob, argparse, logging, traceback, contextlib, typing, operator, array, unicodedata, locale, time, calendar, uuid, difflib, ast, dis, inspect, weakref, gc, types, asyncio, ctypes
@dataclasses.dataclass(order=True)
class P: x: int; y: float = 2.0
print(sorted([P(3), P(1, 5), P(1)]), pickle.loads(pickle.dumps(P(1))), collections.Counter("mississippi").most_common(), list(itertools.permutations("abc", 2))[:4], functools.reduce(operator.mul, range(1, 20)))
print(datetime.datetime(2024, 2, 29, 12) + datetime.timedelta(days=366), datetime.date(2000, 1, 1).isocalendar(), calendar.month(2024, 2), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), unicodedata.name("é"), "ß".upper(), "ÅÄÖ".casefold(), "\\U0001f600".encode())
x = E.fromstring("<a b='1'><c>t</c></a>"); print(x.attrib, x[0].text, E.tostring(x)); db = sqlite3.connect(":memory:"); db.execute("create table t(a, b)"); db.executemany("insert into t values(?, ?)", [(i, i * i) for i in range(1000)]); print(db.execute("select sum(b), avg(a), total(b) from t where a % 3 = 0").fetchone())
async def f(n): await asyncio.sleep(0.01 * n); return n
async def g(): return await asyncio.gather(*(f(i) for i in (3, 1, 2)))
print(asyncio.run(g())); print(ctypes.CDLL(None).strlen(b"hello"), ctypes.c_int32(2**31).value)
cb = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)); arr = (ctypes.c_int * 6)(5, 2, 9, 1, 7, 3); ctypes.CDLL(None).qsort(arr, 6, 4, cb(lambda a, b: a[0] - b[0])); print(list(arr))
with tempfile.TemporaryDirectory() as d:
    pathlib.Path(d, "a.txt").write_text("hello\\nworld\\n"); shutil.copy(d + "/a.txt", d + "/b.txt"); print(sorted(os.listdir(d)), os.path.getsize(d + "/b.txt"), len(glob.glob("*.txt", root_dir=d)))
def gen():
    try:
        while True: x = yield; print("got", x)
    finally: print("closed")
it = gen(); next(it); it.send(1); it.close(); print(eval(compile(ast.parse("1 + 2 * 3", mode="eval"), "", "eval")), [*map(str, (3, 1, 2))], {**{"a": 1}, "b": 2}, textwrap.fill("lorem ipsum " * 9, 40)); print(list(difflib.unified_diff(["a", "b"], ["a", "c"], lineterm="")))
def rec(n): return 0 if n == 0 else 1 + rec(n - 1)
print(rec(900))
try: rec(10**5)
except RecursionError as e: print(type(e).__name__)
match {"k": [1, 2, 3]}:
    case {"k": [a, *rest]}: print(a, rest)
raise SystemExit("bye")
`,
  ),
  python(
    "python/compute",
    `
def sieve(n):
    s = bytearray([1]) * n; s[0:2] = b"\\0\\0"
    for i in range(2, int(n ** 0.5) + 1):
        if s[i]: s[i * i::i] = bytes(len(s[i * i::i]))
    return sum(s)
print(sieve(200000)); import math
def nbody(n):
    b = [[math.sin(i), math.cos(i), i * 0.1, 0, 0, 0, 1 + i] for i in range(5)]
    for _ in range(n):
        for i in range(5):
            for j in range(i + 1, 5):
                p, q = b[i], b[j]; d = [p[k] - q[k] for k in range(3)]; m = 0.001 / (sum(x * x for x in d) ** 1.5 + 0.01)
                for k in range(3): p[3 + k] -= d[k] * q[6] * m; q[3 + k] += d[k] * p[6] * m
        for p in b:
            for k in range(3): p[k] += 0.001 * p[3 + k]
    return b
print(nbody(300)); print(len({i * i % 10007 for i in range(20000)}), sorted((i * 7919) % 10007 for i in range(10000))[::1000])
`,
  ),
  python(
    "python/processes and sockets",
    `
import multiprocessing as mp, os, signal, mmap, socket, select
def sq(x): return x * x
with mp.get_context("fork").Pool(3) as p: print(p.map(sq, range(20)))
q = mp.Queue(); pr = mp.Process(target=lambda: q.put(os.getpid() != 0)); pr.start(); print(q.get()); pr.join(); print(pr.exitcode)
v = mp.Value("i", 0)
def inc():
    for _ in range(50):
        with v.get_lock(): v.value += 1
ps = [mp.Process(target=inc) for _ in range(3)]; [x.start() for x in ps]; [x.join() for x in ps]; print(v.value, flush=True)
m = mmap.mmap(-1, 4096); pid = os.fork()
if pid == 0: m[:5] = b"child"; os._exit(0)
os.waitpid(pid, 0); print(m[:5])
a, b = socket.socketpair(); a.send(b"x"); print(select.select([b], [], [], 1)[0] == [b], b.recv(10))
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); c = socket.create_connection(s.getsockname()); d, _ = s.accept(); c.sendall(b"ping"); print(d.recv(9)); c.close(); print(d.recv(9))
signal.signal(signal.SIGALRM, lambda *_: print("alarm", flush=True)); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
os.kill(os.getpid(), signal.SIGTERM)
`,
  ),
  {
    name: "python/script on stdin",
    argv: ["/usr/bin/python3", "-"],
    stdin: "import sys\nprint(sys.version_info[:2], sys.argv, sys.stdin.read())\n1/0\n",
  },
  {
    name: "python/isolated",
    argv: [
      ...["/usr/bin/python3", "-IS", "-c"],
      "import sys; print(sys.flags.isolated, sys.byteorder, sys.maxsize, len(sys.modules) > 10)",
    ],
    quick: true,
  },
  perl(
    "perl/regex",
    `my $t = join " ", map { "w" . ($_ * 7919 % 1000) . chr(97 + $_ % 26) } 1..3000;
my %c; $c{$1}++ while $t =~ /(\\d)[a-m]/g; print join(",", map { "$_=$c{$_}" } sort keys %c), "\\n";
(my $u = $t) =~ s/w(\\d+)(\\w)/$2$1/g; print substr($u, 0, 50), "\\n"; print join("|", "2024-02-29T12:34" =~ /^(?<y>\\d+)-(\\d+)-(\\d+)T(\\d+):(\\d+)$/), " $+{y}\\n";
print "ok\\n" if "aaa(b(c)d)e" =~ /(\\((?:[^()]++|(?1))*\\))/ && $1 eq "(b(c)d)"; print join(",", split /(?<=,)|\\s*;\\s*/, "a,b ; c"), "\\n"; $_ = "hello"; tr/a-y/b-z/; print "$_\\n"; print scalar reverse("abc"), ucfirst lc "HELLO", "\\n"; print "\\x{e9}" =~ /\\w/u ? 1 : 0, lc("\\x{c9}") eq "\\x{e9}" ? 1 : 0, "\\n"; my @m = "a1b2c3" =~ /([a-z])(\\d)/g; print "@m\\n"; print "yes\\n" if "foobar" =~ /^foo(?!baz)/; pos($t) = 10; $t =~ /\\G(.)/gc and print "$1\\n";`,
    { quick: true },
  ),
  perl(
    "perl/sprintf sort",
    `printf "%.15g %e %g %.3f %s %d %x %o %b %5s|%-5s|%05d %vd %+d\\n", 0.1, 12345.678, 1e-5, 2.5, 1/3, -7.9, 255, 8, 5, "a", "b", 42, "1.2.3", 3;
print join(" ", 1e15, 1e16, 1e21, 0.1 + 0.2, 1e308 * 10, -9**9**9, 9**0.5, 2**53, 2**64, 18446744073709551615, -7 % 3, int(-3.5), 10 / 3, 1_000_000 * 1_000_000, 0x7fffffffffffffff + 1, "0x1f" + 0, "3abc" + 4, "inf" + 0, 1.0, 1e0, 1.10), "\\n";
my @a = map { $_ * 48271 % 65537 } 1..2000; my @s = sort { $a <=> $b } @a; print "@s[0..5] @s[-3..-1]\\n"; print join(",", (sort map { "k$_" } @a)[0..5]), "\\n"; my %h = map { $_ => $_ ** 2 } 1..10; print join(",", map { "$_:$h{$_}" } sort { $h{$b} <=> $h{$a} } keys %h), "\\n"; my $s = 0; $s += sin($_) * exp(-$_ / 1000) for 1..20000; printf "%.12f %.17g\\n", $s, atan2(1, 3); print pack("NnCa3Z5w", 1, 2, 3, "abc", "de", 300) =~ s/(.)/sprintf "%02x", ord $1/gser, "\\n"; print join(",", unpack "s l q d", pack "s l q d", -1, -2, -3, 1.5), "\\n"; my $str = sprintf "%s", [1, 2]; print $str =~ /^ARRAY/ ? 1 : 0, "\\n"; use integer; print -7 / 2, " ", -7 % 3, "\\n";`,
    { quick: true },
  ),
  perl(
    "perl/modules",
    `use strict; use warnings; use List::Util qw(sum max first shuffle reduce); use POSIX qw(floor ceil strftime fmod strtod); use Data::Dumper; use Scalar::Util qw(blessed reftype weaken); use Time::Local; use File::Temp; use Digest::MD5 qw(md5_hex); use Digest::SHA qw(sha256_hex); use MIME::Base64; use Storable qw(dclone); use Encode; use JSON::PP; use Math::BigInt; use Time::HiRes; use IO::Handle; use Getopt::Long; use File::Find; use Cwd; use Socket;
$| = 1; $Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, { b => undef }], c => \\"s" }); print sum(1..100), max(3, 9, 2), floor(-2.5), ceil(2.1), strftime("%Y-%m-%d", gmtime 86400 * 365), "\\n"; print md5_hex("a"), sha256_hex("b" x 10000), encode_base64("hello"), "\\n"; print JSON::PP->new->canonical->encode({ x => [1, "2", 3.5, JSON::PP::true()] }), Math::BigInt->new(2)->bpow(200), "\\n"; package A { sub new { bless {}, shift } sub f { "A" } sub DESTROY { print "gone\\n" } } package B { our @ISA = "A"; sub f { my $s = shift; "B" . $s->SUPER::f() } } { my $o = B->new; print $o->f, ref $o, "\\n" } eval { die { code => 5 } }; print $@->{code}, "\\n"; local $SIG{ALRM} = sub { print "alarm\\n" }; Time::HiRes::alarm(0.05); select undef, undef, undef, 1; my $pid = fork // die; if (!$pid) { exit 3 } waitpid $pid, 0; print $? >> 8, "\\n"; open my $f, "-|", "echo piped; exit 2" or die; print <$f>; close $f; print $? >> 8, "\\n"; print \`echo back\`; system "exit 4"; print $? >> 8, "\\n"; my @l = map { my $x = $_; sub { $x++ } } 1..2; $l[0]->(); print $l[0]->(), "\\n"; open my $o, ">", "/tmp/x" or die; print $o "l$_\\n" for 1..5; close $o; open my $i, "<", "/tmp/x"; my @x = <$i>; print $x[-1], -s "/tmp/x", "\\n"; local $@; die "end\\n"`,
  ),
  bash(
    "perl/one liners",
    "seq 10 | perl -ne 'print if /1/'; seq 3 | perl -pe 's/(\\d)/$1*2/e'; perl -lane 'print $F[1]' <<< 'a b c'; perl -v | head -2 | tail -1 | cut -c1-30; perl -e 'kill USR1 => $$'; echo $?; perl -e 'exit 255'; echo $?; perl -e 'print \"x\" x 70000' | wc -c; perl -le 'print for sort { $a <=> $b } (10, 9, 2, 33)'; perl -i -pe 's/a/b/' /tmp/none 2>/dev/null; echo $?",
  ),
  {
    name: "sqlite3/recursive",
    quick: true,
    argv: [
      "/usr/bin/sqlite3",
      ":memory:",
      "with recursive c(i, x) as (select 1, 7 union all select i + 1, (x * 48271) % 2147483647 from c where i < 100000) select count(*), sum(i), avg(i), max(x), min(x), sum(x % 1000), total(x / 3.0) from c;",
    ],
  },
  {
    name: "sqlite3/joins",
    argv: ["/usr/bin/sqlite3", "-header", ":memory:"],
    stdin: `
create table a(id integer primary key, name text, v real); create table b(id integer, aid integer, w text); create index bi on b(aid);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into a select i, 'n' || (i * 7919 % 1000), i / 7.0 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into b select i, i * 31 % 5000 + 1, char(97 + i % 26) || hex(i) from n;
select count(*), round(sum(v), 6) from a join b on a.id = b.aid where w like 'c%'; select name, count(*) c, avg(v) from a left join b on b.aid = a.id group by name having c > 15 order by c desc, name limit 10;
select w, row_number() over (partition by substr(w, 1, 1) order by id) r, sum(id) over (order by id rows 2 preceding) from b order by id limit 8; select group_concat(distinct substr(w, 1, 1)) from b; select printf('%.3f %d %s %x', 3.14159, 42, 'x', 255), upper('abc'), substr('hello', 2, 3), replace('aXb', 'X', '-'), instr('hello', 'l'), typeof(1.5), quote(x'00ff'), json_extract('{"a":[1,2]}', '$.a[1]'), date('2024-02-29', '+1 year'), strftime('%j', '2024-12-31'), round(2.5), abs(-3), coalesce(null, 4), nullif(1, 1), random() is not null, 7 / 2, 7 % 4, -7 / 2, 1e400, 9223372036854775807 + 1, 0.1 + 0.2, 1.0, 1e100, 123456789.123456789;
.mode csv
select * from a where id < 4; begin; delete from b where id % 2; rollback; select count(*) from b; create view vv as select aid, max(id) m from b group by aid; select sum(m) from vv; explain query plan select * from a join b on a.id = b.aid; select * from nosuch; select 'after';
pragma integrity_check; update a set v = v * 2 where id in (select aid from b where id < 100); select total(v) from a; create virtual table ft using fts5(t); insert into ft select w from b limit 100; select count(*) from ft('c*'); vacuum;
.quit
`,
  },
  bash(
    "sqlite3/file database",
    `cd /tmp; sqlite3 t.db 'create table t(a primary key, b); pragma journal_mode=wal; insert into t values(1, 2); insert into t select a + 1, b from t;'; sqlite3 t.db 'select * from t; insert into t values(1, 1)'; echo $?; sqlite3 t.db .dump; sqlite3 t.db .schema; sqlite3 t.db 'pragma page_count; pragma integrity_check'; ls t.db*`,
  ),
  {
    name: "lua/everything",
    quick: true,
    argv: ["/usr/bin/lua5.4", "-"],
    stdin: `
print(string.format("%d %5.2f %g %e %q %x %s %10s|%-5s| %i %a", 42, 3.14159, 1e20, 12345.678, "a\\nb", 255, nil, "r", "l", 7, 0.5))
print(1/3, 1e15, 1e16, 2^53, 10//3, -10//3, -10%3, 10.5%3, 7//0.0, -7//0.0, 0/0 ~= 0/0, 1e308*10, 3 | 4, 5 ~ 3, ~0, 1 << 63, 1 >> 1, 2^0.5, 100, 1e2, 0x10p2, math.maxinteger, math.mininteger, math.maxinteger + 1 == math.mininteger, math.pi, math.tointeger(3.0), 3 == 3.0, "10" + 5, 10 .. 20)
local function counter() local n = 0; return function() n = n + 1; return n end end
local a, b = counter(), counter(); a(); a(); print(a(), b())
local co = coroutine.wrap(function(x) for i = 1, 3 do x = x + coroutine.yield(x * i) end; return "end" end); print(co(1), co(2), co(3), co(4)); print(coroutine.status(coroutine.create(print)), coroutine.resume(coroutine.create(function() error("oops") end)))
local s = "The quick brown fox"; print(s:upper(), s:rep(2, "-"), s:find("quick"), s:match("(%a+) (%a+)"), s:gsub("%w+", function(w) return w:reverse() end), s:byte(1, 3), #s, s:sub(-3), ("%bxy"):len(), ("a,b,c"):gsub(",", ";"))
for w in s:gmatch("%a+") do io.write(w:lower(), ".") end print()
local t = {}; for i = 1, 3000 do t[i] = i * 7919 % 10007 end; table.sort(t); print(t[1], t[1500], t[3000], #t, table.concat({1, 2, 3}, ","), select("#", table.unpack({1, nil, 3}, 1, 3)))
table.sort(t, function(x, y) return x > y end); print(t[1], table.remove(t), next({})); local mt = setmetatable({}, {__index = function(_, k) return k .. "!" end, __call = function(_, x) return x * 2 end, __add = function() return "sum" end, __close = function() print("closed") end, __gc = function() end}); print(mt.foo, mt(21), mt + 1)
do local c <close> = mt end
print(pcall(error, 5)); print(select(2, pcall(function() local x = nil; return x.y end))); do goto done end; print("skipped") ::done:: print(string.pack("<i4d", 5, 1.5):byte(1, -1)); print(utf8.char(233, 8364), utf8.len("é€"), os.time({year = 2024, month = 1, day = 1, hour = 12}) > 0, os.date("!%Y-%m-%d", 0))
do local x = 0; for i = 1, 200000 do x = x + math.sin(i) / i end; print(x, string.format("%.14g", x)); local f = 1; for i = 1, 25 do f = f * i end; print(f); local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end; print(fib(20)); end for _, v in ipairs({math.floor(-3.5), math.ceil(3.2), math.fmod(-7, 3), math.ult(1, -1), math.abs(-5), math.type(1), math.type(1.0), math.sqrt(2), math.exp(1), math.log(8, 2)}) do io.write(tostring(v), " ") end print()
collectgarbage(); print(load("return 1 + ...")(5), io.popen("echo popen"):read("a"), os.execute("exit 3")); os.exit(5)
`,
  },
  { name: "lua/error", argv: ["/usr/bin/lua5.4", "-e", "error('x')"] },
  bash(
    "lua/compiler",
    "cd /tmp; echo 'print(\"compiled\", ...)' > a.lua; luac5.4 -o a.luac a.lua; lua5.4 a.luac 1 2; luac5.4 -l a.lua | tail -n +3 | sed 's/0x[0-9a-f]*//'",
  ),
];
