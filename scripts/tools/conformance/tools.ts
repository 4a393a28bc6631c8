/** Cases: Debian's small tools on generated and installed files. */
import { bash, type Program } from "./program.ts";

/** Makes the same 100 kB of prose-like text everywhere, as /tmp/text. */
const makeText =
  `cd /tmp; gawk 'BEGIN { x = 1; for (i = 0; i < 2000; i++) { line = ""; for (j = 0; j < 9; j++) { x = (x * 48271) % 2147483647; line = line sprintf("%c%c%s ", 97 + x % 26, 97 + int(x / 26) % 26, substr("ingestoration", 1 + x % 5, 3 + x % 6)) } print i, line } }' > text; `;

const text = (name: string, script: string, more: Partial<Program> = {}) =>
  bash(name, makeText + script, more);

const roundTrip = (tool: string) =>
  text(
    `${tool}/round trip`,
    `for l in 1 6 9; do ${tool} -$l -c text > t$l; ${tool} -dc t$l | cmp - text && stat -c %s t$l; ${tool} -t t$l; echo $?; done; ${tool} -d < text; echo $?; cat text | ${tool} -9 | sha256sum`,
    { quick: tool === "gzip" },
  );

const digests = [
  ...["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-224", "sha512-256"],
  ...["sha3-224", "sha3-256", "sha3-384", "sha3-512", "shake128", "shake256"],
  ...["blake2b512", "blake2s256", "sm3", "ripemd160", "md5-sha1"],
];

const ciphers = [
  ...["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-ctr", "aes-256-ecb", "aes-256-cfb"],
  ...["aes-128-ofb", "aria-256-cbc", "camellia-256-cbc", "chacha20", "des-ede3-cbc", "sm4-cbc"],
];

export const toolPrograms: readonly Program[] = [
  {
    name: "ls/long",
    argv: ["/bin/ls", "-l", "--time-style=long-iso", "/usr/share", "/etc"],
    quick: true,
  },
  {
    name: "ls/recursive",
    argv: ["/bin/ls", "-lRn", "--time-style=long-iso", "/etc", "/usr/share/perl5"],
  },
  {
    name: "cat/files",
    argv: ["/bin/cat", "/etc/passwd", "/usr/bin/true", "/etc/group"],
    quick: true,
  },
  { name: "cat/stdin", argv: ["/bin/cat", "-n", "-A"], stdin: "a\tb\n\n\x01z\u00e9\n" },
  text(
    "sort",
    `sort -k3 text | sha256sum; sort -rn text | head -2; sort -u -k2,2 text | wc -l; LC_ALL=C sort -R --random-source=/usr/bin/true text | sha256sum; sort -S 50k -k4 text | sha256sum; sort -c text; echo $?; sort -M <<< $'Mar\\nJan\\nFeb'; sort -h <<< $'2K\\n1M\\n3'; sort -V <<< $'a10\\na9\\na1'; sort -g <<< $'1e3\\n-5.5\\n1e-3'`,
    { quick: true },
  ),
  bash(
    "checksums",
    `for t in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum; do $t /usr/bin/lua5.4; done; sha256sum /bin/true > /tmp/c; sha256sum -c /tmp/c; for a in sysv bsd crc md5 sm3 blake2b; do cksum -a $a < /bin/true; done`,
  ),
  text(
    "grep",
    `grep -c ing text; grep -n 'q[aeiou]st' text | head -5; grep -E '^([0-9]+) (..).*\\2.*' -o text | head -3; grep -P '\\b(\\w)(\\w)\\w*\\2\\1\\b' text | head -3; grep -F -e toration -e gest -c text; grep -ril root /etc 2>/dev/null | sort; grep -w ab -A1 -B1 text | head -4; grep -v a text | wc -l; grep zzzzzz text; echo $?; LC_ALL=C grep -ci 'ING.*ING.*ING' text`,
  ),
  text(
    "sed",
    `sed -n '10,12p;$p' text; sed 's/\\([a-z]*\\) \\([a-z]*\\)/\\2 \\1/3;y/abc/xyz/;5q' text; sed -E 's/[aeiou]+/<&>/g;3q' text; sed '1!G;h;$!d' text | sha256sum; sed -i.bak 's/ing/ING/g' text; cmp text text.bak | head -1; sed = text | sed 'N;s/\\n/ /' | tail -1; echo aXb | sed 's/x/\\n/I'; sed --posix -e '/^1 /,/^3 /{s/^/>/;p};d' text | head -9`,
  ),
  {
    name: "gawk/floating point",
    quick: true,
    argv: [
      "/usr/bin/gawk",
      `BEGIN { for (i = -5; i < 15; i++) { x = exp(i) * 1.000000001; printf "%.17g %g %e %a %d\\n", x, x / 3, -x, x, x }
printf "%s %s %s %s\\n", log(-1), -log(0), sqrt(2), int(1e18 + 0.5); print 0.1 + 0.2, 1e300 * 1e10, 2 ** 0.5, 1 / 3, 100000000000000000000, 123456789.123, 17 % 5.5, -17 % 5
for (i = 0; i < 30000; i++) s += sin(i) * cos(i / 3) + atan2(i, 7); printf "%.12g\\n", s; srand(7); for (i = 0; i < 5; i++) print rand(), int(rand() * 1000) }`,
    ],
  },
  text(
    "gawk/text",
    `gawk '{ for (i = 2; i <= NF; i++) n[$i]++ } END { PROCINFO["sorted_in"] = "@val_num_desc"; for (w in n) { print w, n[w]; if (++k == 10) break }; print length(n) }' text | sort; gawk 'NR % 300 == 0 { print toupper(substr($0, 1, 30)), match($0, /ing(est)?/), RSTART, RLENGTH, gensub(/([a-z])([a-z])/, "\\\\2\\\\1", "g", $2) }' text; gawk --re-interval '/^[0-9]{3} [a-f]/ { c++ } END { print c, strtonum("0x1f"), and(12, 10), xor(5, 3), lshift(1, 40) }' text; gawk 'BEGIN { "echo sub" | getline x; print x; print "b\\na" | "sort"; close("sort"); system("exit 3"); printf "%c%5s|%-5s|%05d\\n", 65, "ab", "cd", 42; n = split("a:b:c", p, ":"); print n, p[3]; exit 4 }'; echo $?; gawk -v FPAT='([^,]*)|("[^"]+")' '{ print $2 }' <<< '1,"a,b",3'; gawk -M 'BEGIN { print 2 ^ 200 }'`,
  ),
  roundTrip("gzip"),
  roundTrip("bzip2"),
  text(
    "xz/round trip",
    `xz -T1 -6 -k text; stat -c %s text.xz; xz -dc text.xz | cmp - text; echo $?; xz -t text.xz; echo $?; sha256sum text.xz; head -c 20000 text | xz -9e -T1 --format=lzma -c | xz -dc | sha256sum; xz --robot -l text.xz | head -2; head -c 500 text.xz | xz -dc | tail -c 20; echo "\${PIPESTATUS[@]}"; xz -T1 --x86 --lzma2=preset=1 -c /bin/true | xz -dc | cmp - /bin/true && echo bcj; xz -T2 -1 --block-size=65536 -c text | xz -T2 -dc | cmp - text && echo threads`,
  ),
  bash(
    "tar",
    `mkdir -p /tmp/a/b/c; cd /tmp; echo 1 > a/1; echo 22 > a/b/2; ln -s ../1 a/b/l; ln a/1 a/hard; tar --mtime=@0 --sort=name -cf t.tar a; tar tf t.tar; sha256sum t.tar; mkdir x; tar xf t.tar -C x; diff -r a x/a && echo same; find x | sort; tar czf t.tgz a && tar tzf t.tgz | wc -l; tar cJf t.txz a; tar xJf t.txz -O a/b/2`,
  ),
  bash(
    "find",
    `cd /usr/share; find . -type f -name '*.pm' -size -4k | sort | head -20; find /usr/lib -maxdepth 1 -type l -printf '%p -> %l\\n' | sort | head; find /usr/bin -perm -4000 | sort; find /etc -newermt 2000-01-01 -type f -exec basename {} \\; 2>/dev/null | sort | tail -5; find /usr/bin -samefile /usr/bin/perl 2>/dev/null | sort; find /tmp -empty; find . -regex '.*/[a-c][^/]*' -prune -o -type d -print | sort | head -5`,
  ),
  text(
    "diff",
    `sed '5d;100s/$/x/;200i new' text > t2; diff text t2; echo $?; diff -u text t2 | sed 1,2d; diff -y --suppress-common-lines -W 60 text t2; cmp text t2; diff -q text text; echo $?; comm -13 <(sort text) <(sort t2); sdiff -s text t2 | head -3; diff3 text t2 text`,
  ),
  text(
    "coreutils/text",
    `wc text; head -c 50 text; tail -n 2 text; cut -d' ' -f2-3 text | sort | uniq -c | sort -rn | head -3; tr -cd a-z < text | fold -w 40 | head -2; nl text | tail -1; expand -t4 <<< $'a\\tb'; fmt -w 30 text | head -4; pr -t -2 -l 10 text | head -2; join <(seq 5) <(seq 3 8); paste -d, <(seq 3) <(seq 4 6); tac text | head -1; split -l 700 text s_; wc -l s_*; csplit -s text 100 200; wc -c xx*; shuf -i 1-10 --random-source=/etc/passwd; tsort <<< $'a b\\nb c'; od -c text | head -2; base64 text | sha256sum; base32 <<< abc; numfmt --to=iec 123456789; expr 12 '*' 34; factor 1234567890123456789 99999999999999999999; seq -f %.3f 0 0.25 1; printf '%b' 'a\\tb\\n'; basename /a/b.c .c; dirname /a/b; unexpand -a <<< '        x'; ptx <<< 'one two'`,
  ),
  bash(
    "coreutils/files",
    `cd /tmp; dd if=/dev/zero bs=1k count=100 2>/dev/null | sha256sum; dd if=/bin/bash of=b bs=4096 skip=3 count=10 2>/dev/null; stat -c '%s %a %F %h' b; truncate -s 1M h; stat -c '%s %b' h; cp -a b c; cmp b c; mv c d; ln b e; stat -c %h b; rm e; mkdir -p x/y; rmdir -p x/y; ls; touch -d @1000000000 t; stat -c '%Y %y' t; chmod 4751 t; ls -l --time-style=+%s t; install -m 600 b i; stat -c %a i; realpath ../tmp/./b; readlink -f /bin/sh; df . | wc -l; du -b b; mktemp -d tXXX | wc -c; sync; tee o1 o2 <<< hi; cat o1 o2; shred -u o1; ls o1; echo $?; dd if=/dev/urandom count=1 2>/dev/null | wc -c; cp --sparse=always h g; mknod z p; test -p z; echo $?; chown 0 b; echo $?`,
    { quick: true },
  ),
  bash(
    "coreutils/system",
    `uname -s; uname -m; id; groups; whoami; tty; env -i A=1 env; printenv HOME; pwd; nohup echo nohup 2>/dev/null; nice -n 5 nice; test 5 -gt 3; echo $?; sleep 0.01; stdbuf -o0 echo x; pathchk -p 'a b'; echo $?; users; getconf PAGE_SIZE; getconf LONG_BIT; getent passwd isthmus; locale | head -1; iconv -f utf-8 -t utf-16le <<< 'aé' | od -An -tx1; file -b /etc/passwd /bin/true /usr/share/perl5; hostid >/dev/null; echo $?`,
  ),
  bash(
    "util-linux",
    `getopt -o ab: -- -a -b 1 x; rev <<< abc; flock /tmp/l echo locked; setsid echo s; mcookie | wc -c; prlimit --nofile=64 bash -c 'ulimit -n'; chrt -m | head -1; namei / ; whereis -b ls; fallocate -l 4096 /tmp/fa; stat -c %s /tmp/fa; mountpoint -q /proc; echo $?; taskset 1 echo t; rename.ul a b /tmp/fa; ls /tmp; hardlink --version | wc -l; choom -p $$ | wc -l`,
  ),
  ...digests.map((digest) => ({
    name: `openssl/dgst ${digest}`,
    argv: ["/usr/bin/openssl", "dgst", `-${digest}`, "/usr/bin/lua5.4", "/etc/passwd"],
    quick: digest === "sha256",
  })),
  text(
    "openssl/enc",
    `for c in ${
      ciphers.join(" ")
    }; do openssl enc -$c -k secret -pbkdf2 -S 0102030405060708 -in text -out e; sha256sum e; openssl enc -d -$c -k secret -pbkdf2 -S 0102030405060708 -in e | cmp - text && echo $c; done; openssl enc -base64 -in /etc/group | sha256sum`,
  ),
  bash(
    "openssl/keys and signatures",
    `cd /tmp; openssl dgst -sha256 -hmac key /bin/true; openssl mac -cipher aes-128-cbc -macopt hexkey:000102030405060708090a0b0c0d0e0f -in /etc/passwd CMAC; openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 -in /etc/passwd SipHash; openssl genrsa -out k.pem 1024 2>/dev/null; openssl rsa -in k.pem -check -noout; openssl rsa -in k.pem -pubout -out p.pem 2>/dev/null; openssl dgst -sha256 -sign k.pem -out s /bin/true; openssl dgst -sha256 -verify p.pem -signature s /bin/true; openssl ecparam -name prime256v1 -genkey -noout -out ec.pem; openssl ec -in ec.pem -pubout -out ecp.pem 2>/dev/null; openssl dgst -sha256 -sign ec.pem -out es /bin/true; openssl dgst -sha256 -verify ecp.pem -signature es /bin/true; openssl genpkey -algorithm ed25519 -out ed.pem; openssl pkeyutl -sign -inkey ed.pem -rawin -in /etc/passwd -out eds; openssl pkeyutl -verify -inkey ed.pem -rawin -in /etc/passwd -sigfile eds; openssl genpkey -algorithm x25519 -out x.pem; openssl prime 1000003; openssl kdf -keylen 16 -kdfopt digest:SHA256 -kdfopt key:a -kdfopt salt:b -kdfopt info:c HKDF; openssl passwd -6 -salt ab pw; openssl req -x509 -new -key ec.pem -subj /CN=x -days 1 -out c.pem 2>/dev/null; openssl verify -CAfile c.pem c.pem; openssl rand 16 | wc -c; openssl asn1parse -in p.pem | head -1 | cut -c1-30`,
  ),
  bash(
    "debian",
    `dpkg --compare-versions 1.2-3 lt 1.10; echo $?; dpkg --print-architecture; which ls; corelist -v 5.36.0 strict 2>/dev/null | tail -1; json_pp <<< '{"b":1,"a":[1,2]}'; shasum -a 256 /etc/passwd; podchecker /usr/share/perl/5.36/strict.pm 2>&1; zgrep -c a <(gzip -c /etc/passwd); xzcat <(xz -c /etc/group) | head -1; update-alternatives --query awk 2>/dev/null | head -1`,
  ),
];
