/** Databases, servers, terminals and virtual machines with compilers of their own (rootfs.ts --set servers). */
import { bash, type Program } from "./program.ts";

/** Packages with all programs below. */
export const serverPackages: readonly string[] = [
  ...["base-files", "base-passwd", "bash", "coreutils", "sed", "grep", "procps", "curl"],
  ...["postgresql-15", "redis-server", "nginx-light", "tmux", "openjdk-17-jdk-headless"],
  ...["erlang-base", "sbcl", "pypy3", "swi-prolog-nox", "gforth", "gnuplot-nox", "imagemagick"],
  ...["clang", "python3"],
];

const java = `
import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Main {
  static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
  static int deep(int n) { return deep(n + 1) + 1; }
  public static void main(String[] a) throws Exception {
    System.out.println(fib(24));
    ExecutorService threads = Executors.newFixedThreadPool(4);
    List<Future<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 8; i++) { int n = i; all.add(threads.submit(() -> fib(12 + n))); }
    int sum = 0; for (var one : all) sum += one.get(); threads.shutdown(); System.out.println(sum);
    System.out.println(IntStream.range(0, 20000).mapToObj(i -> "" + i)
      .collect(Collectors.groupingBy((String x) -> x.length(), () -> new TreeMap<Integer, Long>(), Collectors.counting())));
    try { Object none = null; none.toString(); } catch (NullPointerException x) { System.out.println("null"); }
    try { deep(0); } catch (StackOverflowError x) { System.out.println("deep"); }
    byte[][] held = new byte[200][]; for (int i = 0; i < 4000; i++) held[i % 200] = new byte[10000];
    System.gc(); System.out.println("collected");
  }
}`;

const postgres = `cd /tmp; export HOME=/tmp; bin=/usr/lib/postgresql/15/bin
$bin/initdb -D data -A trust --no-sync --locale=C.UTF-8 > log 2>&1 || cat log
$bin/pg_ctl -D data -o "-k /tmp -c fsync=off -c listen_addresses=127.0.0.1" -w -l log start | tail -1
$bin/psql -h /tmp -d postgres -At 2>&1 << 'END'
create table t as select g, g * g q, md5(g::text) m from generate_series(1, 2000) g;
create index on t (m); analyze t;
select sum(q), min(m), max(m) from t;
select g from t where m like 'abc%' order by 1;
begin; update t set q = 0 where g < 1000; rollback; select count(*) from t where q = 0;
with recursive f(a, b) as (values (0, 1) union all select b, a + b from f where b < 1000)
  select string_agg(a::text, ' ') from f;
select 1 / 0;
END
$bin/psql -h 127.0.0.1 -d postgres -Atc 'select count(*) from t'
$bin/pg_ctl -D data -m fast stop | tail -1`;

const nginx = `cd /tmp; mkdir n www; cat > n.conf << 'END'
daemon on; worker_processes 2; error_log /tmp/e.log; pid /tmp/n.pid; events {}
http { access_log off; client_body_temp_path /tmp/n; proxy_temp_path /tmp/n; fastcgi_temp_path /tmp/n;
  uwsgi_temp_path /tmp/n; scgi_temp_path /tmp/n;
  server { listen 127.0.0.1:8080; root /tmp/www; location /up { proxy_pass http://127.0.0.1:8081/; } }
  server { listen 127.0.0.1:8081; location / { return 200 "behind $request_uri\\n"; } } }
END
seq 5000 > www/numbers; /usr/sbin/nginx -c /tmp/n.conf -e /tmp/e.log
curl -s http://127.0.0.1:8080/numbers | sha256sum; curl -s http://127.0.0.1:8080/up
curl -s -o /dev/null -w '%{http_code} %{size_download}\\n' -r 10-19 http://127.0.0.1:8080/numbers
curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8080/none
kill -QUIT $(cat n.pid); for i in $(seq 100); do [ -e n.pid ] || break; sleep 0.1; done; ls n.pid 2>&1`;

const redis =
  `cd /tmp; redis-server --port 7777 --bind 127.0.0.1 --save "" --daemonize yes --logfile log > /dev/null
for i in $(seq 100); do redis-cli -p 7777 ping 2> /dev/null && break; sleep 0.1; done
redis-cli -p 7777 << 'END'
set a 5
incrby a 37
rpush l one two three
lrange l 0 -1
zadd z 3 c 1 a 2 b
zrange z 0 -1 withscores
eval "local s = 0 for i = 1, 1000 do s = s + i end return s" 0
END
redis-cli -p 7777 shutdown nosave; echo $?`;

/** Types at a shell as a person would, until each answer is seen. */
const terminal = `import os, pty
pid, fd = pty.fork()
if pid == 0:
    os.environ["PS1"] = "$ "
    os.execv("/bin/bash", ["bash", "--norc", "--noediting", "-i"])
seen = b""
def until(text):
    global seen
    while text not in seen: seen += os.read(fd, 1000)
    seen = seen[seen.index(text) + len(text):]
until(b"$ ")
for line, answer in (
    (b"echo $((6 * 7))\\n", b"\\n42\\r\\n$ "), (b"tty\\n", b"/dev/pts/"), (b"", b"$ "), (b"cat\\n", b"cat\\r\\n"),
    (b"typed\\n", b"typed\\r\\ntyped\\r\\n"), (b"\\x03", b"^C\\r\\n$ "), (b"cat\\n", b"cat\\r\\n"), (b"more\\n", b"more\\r\\nmore\\r\\n"),
    (b"\\x1a", b"Stopped"), (b"kill %1; wait; echo end\\n", b"\\nend\\r\\n$ "),
    (b"stty rows 30 cols 90; stty size\\n", b"\\n30 90\\r\\n$ "), (b"exit 3\\n", b"exit 3\\r\\n"),
):
    os.write(fd, line)
    until(answer)
    print(answer)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** Processes of Erlang that send to their maker, and an error that is caught. */
const erlang = `P = self(), [spawn(fun() -> P ! X * X end) || X <- lists:seq(1, 100)],
io:format("~p~n", [lists:sort([receive X -> X end || _ <- lists:seq(1, 100)])]),
io:format("~w~n", [element(1, element(2, catch 1 / length([])))]), halt().`;

const lisp = `(progn (defun f (n) (if (< n 2) n (+ (f (- n 1)) (f (- n 2)))))
  (print (f 22)) (print (expt 3 200)) (print (handler-case (car 5) (type-error () "no list")))
  (gc :full t) (terpri) (sb-ext:quit))`;

const prolog = `X is 2**200, writeln(X), findall(A-B, (member(A,[1,2,3]), member(B,[x,y])), L),
  writeln(L), halt`;

const c =
  "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * 3; return s; }";

export const serverPrograms: readonly Program[] = [
  bash("postgres/a database", postgres, {
    needs: "/usr/lib/postgresql/15/bin/postgres",
    long: true,
  }),
  bash("nginx/files and a proxy", nginx, { needs: "/usr/sbin/nginx" }),
  bash("redis/values, lists, scripts", redis, { needs: "/usr/bin/redis-server" }),
  bash(
    "tmux/a window",
    `cd /tmp; tmux -f /dev/null new-session -d -x 60 -y 20 "stty size > o; echo in tmux >> o"; tmux -V
for i in $(seq 100); do [ -e o ] && break; sleep 0.1; done; sleep 0.5; cat o`,
    { needs: "/usr/bin/tmux" },
  ),
  { name: "python/a shell on a pseudo-terminal", argv: ["/usr/bin/python3", "-c", terminal] },
  bash(
    "java/a source file, compiled and run",
    `cd /tmp; cat > Main.java << 'END'${java}
END
j=$(echo /usr/lib/jvm/java-17-openjdk-*); $j/bin/java Main.java`,
    { needs: "/usr/share/doc/openjdk-17-jdk-headless", long: true },
  ),
  { name: "erlang/processes", argv: ["/usr/bin/erl", "-noshell", "-eval", erlang], long: true },
  { name: "sbcl/compiled lisp", argv: ["/usr/bin/sbcl", "--noinform", "--eval", lisp] },
  {
    name: "pypy/compiled loops",
    argv: [
      "/usr/bin/pypy3",
      "-c",
      "print(sum(i * i % 7 for i in range(300000)), [x for x in map(str, range(3))])",
    ],
    long: true,
  },
  { name: "prolog/backtracking", argv: ["/usr/bin/swipl", "-g", prolog] },
  {
    name: "gforth/words",
    argv: ["/usr/bin/gforth", "-e", ": sq dup * ; 12 sq . 1e fexp f. cr bye"],
  },
  {
    name: "gnuplot/a plot of text",
    argv: ["/usr/bin/gnuplot", "-e", "set term dumb 60 15; plot sin(x), x / 10"],
  },
  {
    name: "imagemagick/a picture",
    argv: [
      "/usr/bin/convert-im6.q16",
      ...["-size", "40x30", "gradient:red-blue", "-rotate", "33", "-blur", "0x2", "-depth", "8"],
      "ppm:-",
    ],
  },
  bash("clang/machine code", `cd /tmp; echo '${c}' > f.c; clang -O2 -S -o - f.c | grep -v ident`, {
    needs: "/usr/bin/clang",
    long: true,
  }),
];
