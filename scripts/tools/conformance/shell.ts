/** Cases: shells, signals, jobs and exit codes. */
import { bash, type Program } from "./program.ts";

const busyboxScript = `
cd /tmp; i=0
while [ $i -lt 200 ]; do echo "line $i $((i * i % 97))"; i=$((i + 1)); done > f
busybox sha256sum f | busybox cut -c1-64
busybox awk '{ s += $3; c[$3 % 7]++ } END { printf "%d %.6f\\n", s, s / NR; for (i = 0; i < 7; i++) print i, c[i] }' f
busybox sort -k3n f | busybox head -n 5
busybox grep -c 'line 1' f
busybox sed -n 's/line \\([0-9]*\\).*/<\\1>/p' f | busybox tail -n 3
busybox tar cf a.tar f && busybox tar tf a.tar
busybox gzip -c f | busybox gunzip -c | busybox cmp - f && echo same
busybox md5sum f; busybox wc f; busybox od -An -tx1 -N 16 f
busybox find / -maxdepth 1 -type d | busybox sort | busybox grep usr
`;

export const shellPrograms: readonly Program[] = [
  { name: "busybox/ls", argv: ["/bin/busybox", "ls", "-l", "/usr/share/perl5", "/etc/apt"] },
  { name: "busybox/true", argv: ["/bin/busybox", "true"], quick: true },
  { name: "busybox/sh", argv: ["/bin/busybox", "sh", "-c", busyboxScript], quick: true },
  {
    name: "busybox/sha256sum",
    argv: ["/bin/busybox", "sha256sum", "/usr/bin/bash", "/bin/true"],
  },
  {
    name: "busybox/awk",
    argv: [
      "/bin/busybox",
      "awk",
      'BEGIN { for (i = 1; i < 20; i++) printf "%.15g %e %d\\n", exp(i / 3), sin(i) / cos(i), i ^ 5; print substr("hello", 2, 3), toupper("abc"), length("x y z"), index("foobar", "bar"), log(2), sqrt(2), atan2(1, 2), int(-3.7) }',
    ],
  },
  { name: "busybox/rev", argv: ["/bin/busybox", "rev"], stdin: "hello\nworld\n" },
  { name: "true", argv: ["/bin/true"], quick: true },
  { name: "false", argv: ["/bin/false"] },
  {
    name: "dash/arithmetic",
    argv: ["/bin/dash", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i"],
  },
  {
    name: "dash/script on stdin",
    argv: ["/bin/dash"],
    stdin: "x=5\nf() { echo f $1; return 3; }\nf $x\necho $?\ncat <<E\nhere $x\nE\nexit 9\n",
  },
  bash(
    "bash/pipelines",
    `
for i in {1..500}; do echo $((i * 7919 % 1009)) item$i; done | sort -n | awk '{print $2}' | head -20 | tr a-z A-Z | paste -sd,
seq 1 1000 | grep 7 | wc -l
printf '%s\\n' c b a | sort | while read -r x; do echo "<$x>"; done
echo hello | tee >(cat >/dev/null) | rev
set -o pipefail; false | true; echo $?; true | false | true; echo "\${PIPESTATUS[@]}"
`,
    { quick: true },
  ),
  bash(
    "bash/expansion",
    `
declare -A m=([one]=1 [two]=2 [three]=3); for k in $(printf '%s\\n' "\${!m[@]}" | sort); do echo $k=\${m[$k]}; done
a=(x "y z" w); echo "\${#a[@]} \${a[1]} \${a[@]:1}"; s=hello_world; echo \${s^^} \${s/o/0} \${s//o/0} \${s#*_} \${s%_*} \${s:3:4} \${#s}
echo $((2**62 - 1 + 2**62)) $((-7 / 2)) $((-7 % 3)) $((1 << 40)) $((0xff ^ 0x0f)) $((16#ff))
printf '%05d %x %o %e %.3f %q %s\\n' 42 255 8 12345.678 3.14159 'a b' end
printf '%(%Y-%m-%d)T\\n' 86400; [[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo \${BASH_REMATCH[1]} \${BASH_REMATCH[2]}
case foo.c in *.c) echo c;; *) echo other;; esac; echo {a,b}{1..3} ~root; shopt -s extglob; x=aaabbb; echo \${x##+(a)}
`,
  ),
  bash(
    "bash/functions and loops",
    `
fib() { local n=$1; if ((n < 2)); then echo $n; else echo $(( $(fib $((n-1))) + $(fib $((n-2))) )); fi; }
fib 7
for ((i = 0; i < 3000; i++)); do ((s += i * i)); done; echo $s
until ((i <= 2990)); do ((i--)); done; echo $i
select_sort() { local a=("$@") n=$# i j t; for ((i=0;i<n;i++)); do for ((j=i+1;j<n;j++)); do if ((a[j] < a[i])); then t=\${a[i]}; a[i]=\${a[j]}; a[j]=$t; fi; done; done; echo "\${a[@]}"; }
select_sort 5 3 9 1 7 2 8
`,
  ),
  bash(
    "bash/here-documents",
    `
name=world
cat <<EOF
hello $name $(echo sub) \\$name
EOF
cat <<'EOF'
raw $name
EOF
cat <<-EOF
	tabs gone
	EOF
cat <<< "here string $name"
while read -r a b; do echo "$b-$a"; done <<EOF
1 one
2 two
EOF
`,
  ),
  bash(
    "bash/set -e",
    `set -e; echo before; (exit 3) || echo caught $?; if false; then :; fi; x=$(false) || echo sub; false; echo never`,
  ),
  bash("bash/set -u", `set -u; echo start; echo $undefined_variable; echo never`),
  bash(
    "bash/subshells",
    `x=1; (x=2; cd /tmp; echo $x $PWD); echo $x $PWD; { x=3; }; echo $x; y=$(x=9; echo $x); echo $y $x; (exit 42); echo $?; ( ( (exit 7) ) ); echo $?; exec 3>/tmp/o; echo to3 >&3; exec 3>&-; cat /tmp/o; exec 4</tmp/o; read -u 4 z; echo $z`,
  ),
  bash(
    "bash/background and wait",
    `
(sleep 0.2; echo slow; exit 4) & p=$!
(echo fast; exit 5) & q=$!
wait $q; echo q $?; wait $p; echo p $?
for i in 1 2 3; do (sleep 0.0$i; exit $i) & pids="$pids $!"; done; for p in $pids; do wait $p; echo $?; done
sleep 100 & kill $!; wait $!; echo $?; jobs; wait; echo done
`,
    { quick: true },
  ),
  bash(
    "bash/trap and kill",
    `
trap 'echo int' INT; trap 'echo usr1' USR1; trap 'echo bye' EXIT; trap '' USR2
kill -USR1 $$; kill -USR2 $$; kill -INT $$; echo after
(trap 'echo sub term; exit 6' TERM; kill -TERM $BASHPID; echo no); echo $?
sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -9 $$'; echo $?; sh -c 'kill -PIPE $$'; echo $?
trap - INT; kill -INT $BASHPID; echo not reached
`,
    { quick: true },
  ),
  bash(
    "bash/err and return traps",
    `set -E; trap 'echo err $?' ERR; f() { false; }; f; trap 'echo ret' RETURN; . /dev/stdin <<< 'echo sourced'; exit 0`,
  ),
  bash(
    "signal/SIGPIPE",
    `yes | head -n 3; echo "\${PIPESTATUS[@]}"; yes abc | head -c 100000 | sha256sum; seq 1000000 | head -1; echo "\${PIPESTATUS[@]}"`,
    { quick: true },
  ),
  bash("signal/SIGKILL itself", "kill -KILL $$"),
  bash("signal/SIGTERM itself", "kill -TERM $$"),
  bash(
    "signal/SIGABRT and SIGALRM",
    `perl -e 'kill ABRT => $$'; echo $?; perl -e 'kill ALRM => $$'; echo $?; python3 -c 'import os; os.abort()' 2>/dev/null; echo $?; exec perl -e 'kill ABRT => $$'`,
  ),
  bash(
    "signal/timeout",
    `timeout 0.2 sleep 10; echo $?; timeout -s KILL 0.2 sleep 10; echo $?; timeout 5 true; echo $?; timeout 5 sh -c 'exit 3'; echo $?`,
  ),
  bash("exit/modulo 256", "exit 300"),
  bash(
    "exit/not found",
    "nosuchprogram; echo $?; /etc/passwd; echo $?; /nosuch/file; echo $?; cat /nosuch; echo $?; ls /root; echo $?",
  ),
  bash("bash/read", 'while IFS=, read -r a b; do echo "$b:$a"; done; echo end', {
    stdin: "1,one\n2,two\n3,three\n",
  }),
  bash("bash/shared stdin", "read first; echo got $first; cat | tr a-z A-Z; read x || echo eof", {
    stdin: "alpha\nbeta\ngamma\n",
  }),
  bash(
    "bash/named pipe and coprocess",
    `cd /tmp; mkfifo p; (for i in 1 2 3; do echo msg$i; done > p) & cat < p; wait; coproc C { while read x; do echo "<$x>"; done; }; echo hi >&\${C[1]}; read -u \${C[0]} y; echo $y`,
  ),
  bash(
    "bash/globbing and tests",
    `cd /tmp; mkdir d; touch d/{a,b}{1,2}.txt d/.h; echo d/*; echo d/[ab]1*; ls -A d; [ -d d ] && [ ! -e q ] && [ -x /bin/ls ] && [ ! -w /etc/passwd ] && [ d/a1.txt -ef d/a1.txt ] && echo ok; ln -s d l; [ -L l ] && readlink l; cd -P l; pwd; umask 077; touch x; stat -c '%a %u %g %F %s' x`,
  ),
  bash(
    "fork/many",
    "for i in {1..60}; do /bin/true; done; for i in {1..60}; do (:); done; echo $?",
    { quick: true },
  ),
  bash(
    "xargs",
    "seq 1 40 | xargs -n 4 echo; seq 1 6 | xargs -P 1 -I{} sh -c 'echo {}-$(({}*{}))'; find /usr/share/perl5 -name '*.pm' -print0 | sort -z | xargs -0 wc -l | tail -1",
  ),
  bash(
    "limits and variables",
    "(ulimit -n 20; exec 9</dev/null; echo ok; ulimit -n); umask; echo $BASH_VERSION $UID $EUID $HOME $PWD $SHLVL",
  ),
  bash(
    "date",
    "TZ=UTC date -d @1700000000 '+%F %T %j %U %A'; date -u -d '2024-02-29 +1 year' +%F; date -u -d '1 Jan 2000 12:34:56 UTC' +%s; date -u -R -d @0; date -u -d 'last friday' >/dev/null && echo ok",
  ),
];
