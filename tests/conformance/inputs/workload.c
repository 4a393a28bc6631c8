/* A program with a bit of everything a compiler has to handle: integers of all widths, floating
   point, structures by value, bit fields, varargs, recursion, switches, function pointers, qsort,
   strings, loops that vectorise and setjmp. Prints a digest of each part. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { double re, im; } cplx;
typedef struct node { struct node *left, *right; int key; unsigned used : 5, kind : 3; } node;
typedef struct { char name[24]; int32_t id; float weight; } record;

static uint64_t rng = 88172645463325252ull;
static uint64_t next(void) { rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17; return rng; }

static cplx mul(cplx a, cplx b) { return (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

static void fft(cplx *x, int n) {
  if (n == 1) return;
  cplx *half = malloc(n * sizeof *half);
  for (int i = 0; i < n / 2; i++) { half[i] = x[2 * i]; half[i + n / 2] = x[2 * i + 1]; }
  fft(half, n / 2);
  fft(half + n / 2, n / 2);
  for (int i = 0; i < n / 2; i++) {
    cplx t = mul((cplx){cos(-2 * M_PI * i / n), sin(-2 * M_PI * i / n)}, half[i + n / 2]);
    x[i] = (cplx){half[i].re + t.re, half[i].im + t.im};
    x[i + n / 2] = (cplx){half[i].re - t.re, half[i].im - t.im};
  }
  free(half);
}

static node *insert(node *t, int key) {
  if (!t) { t = calloc(1, sizeof *t); t->key = key; t->kind = key & 7; return t; }
  t->used++;
  if (key < t->key) t->left = insert(t->left, key); else t->right = insert(t->right, key);
  return t;
}
static long walk(const node *t, int depth) {
  return t ? walk(t->left, depth + 1) + walk(t->right, depth + 1) + t->key % 13 * depth + t->used + t->kind : 0;
}

static int compare(const void *a, const void *b) {
  const record *x = a, *y = b;
  return x->weight < y->weight ? -1 : x->weight > y->weight ? 1 : strcmp(x->name, y->name);
}

static double sum(int n, ...) {
  va_list list; double s = 0;
  va_start(list, n);
  while (n--) s += n & 1 ? va_arg(list, double) : va_arg(list, int);
  va_end(list);
  return s;
}

enum op { ADD, SUB, MUL, DIV, DUP, SWAP, PUSH, JNZ, HALT };
static int64_t interpret(const int *code, int64_t n) {
  int64_t stack[32]; int sp = 0; int64_t steps = 0;
  stack[sp++] = 1; stack[sp++] = n;
  for (int pc = 0;; steps++) switch (code[pc++]) {
    case ADD: sp--; stack[sp - 1] += stack[sp]; break;
    case SUB: sp--; stack[sp - 1] -= stack[sp]; break;
    case MUL: sp--; stack[sp - 1] = (int64_t)((uint64_t)stack[sp - 1] * stack[sp] % 1000000007); break;
    case DIV: sp--; stack[sp - 1] = stack[sp] ? stack[sp - 1] / stack[sp] : 0; break;
    case DUP: stack[sp] = stack[sp - 1]; sp++; break;
    case SWAP: { int64_t t = stack[sp - 1]; stack[sp - 1] = stack[sp - 2]; stack[sp - 2] = t; break; }
    case PUSH: stack[sp++] = code[pc++]; break;
    case JNZ: if (stack[sp - 1]) pc = code[pc]; else pc++; break;
    case HALT: return stack[sp - 2] * 1000 + steps % 1000;
  }
}

static unsigned crc(const unsigned char *p, size_t n) {
  unsigned c = ~0u;
  while (n--) { c ^= *p++; for (int k = 0; k < 8; k++) c = c >> 1 ^ (0xedb88320u & -(c & 1)); }
  return ~c;
}

static int queens(int n, unsigned cols, unsigned d1, unsigned d2) {
  if (!n) return 1;
  int found = 0;
  for (unsigned free = ~(cols | d1 | d2) & 0xff; free; free &= free - 1) {
    unsigned bit = free & -free;
    found += queens(n - 1, cols | bit, (d1 | bit) << 1, (d2 | bit) >> 1);
  }
  return found;
}

static jmp_buf back;
static void deep(int n) { char pad[64]; memset(pad, n, sizeof pad); if (n == 0) longjmp(back, 42); if (n > 0) deep(n - 1); if (pad[3] == 99) puts("?"); }

static int32_t a32[1024], b32[1024]; static uint8_t bytes[4096]; static float fl[1024]; static double db[1024];

int main(int argc, char **argv) {
  cplx x[256];
  for (int i = 0; i < 256; i++) x[i] = (cplx){sin(i * 0.1), i % 7};
  fft(x, 256);
  double norm = 0;
  for (int i = 0; i < 256; i++) norm += hypot(x[i].re, x[i].im);
  printf("fft %.9f %.9f\n", norm, x[17].im);
  node *tree = NULL;
  for (int i = 0; i < 5000; i++) tree = insert(tree, next() % 100000);
  printf("tree %ld\n", walk(tree, 0));
  static record records[700];
  for (int i = 0; i < 700; i++) { snprintf(records[i].name, 24, "r%lx", (long)(next() % 4096)); records[i].id = i; records[i].weight = next() % 50 / 3.0f; }
  qsort(records, 700, sizeof *records, compare);
  printf("sorted %s %d %g %s %d\n", records[0].name, records[350].id, records[350].weight, records[699].name, records[699].id);
  printf("varargs %.3f\n", sum(6, 1.5, 2, 3.25, 4, 5.125, 6));
  const int factorial[] = {DUP, PUSH, 0, ADD, DUP, JNZ, 9, PUSH, 0, SWAP, HALT}, count[] = {PUSH, 1, SUB, JNZ, 0, HALT};
  printf("interpreted %lld %lld\n", (long long)interpret(factorial, 10), (long long)interpret(count, 5000));
  for (int i = 0; i < 4096; i++) bytes[i] = next() >> 11;
  printf("crc %08x queens %d\n", crc(bytes, sizeof bytes), queens(8, 0, 0, 0));
  for (int i = 0; i < 1024; i++) { a32[i] = (int32_t)next(); b32[i] = a32[i] >> (i & 15); fl[i] = a32[i] * 1e-6f; db[i] = fl[i] / (i + 1); }
  int32_t lo = a32[0]; uint32_t total = 0; float fsum = 0; double dmax = db[0]; unsigned ones = 0;
  for (int i = 0; i < 1024; i++) { total += (uint32_t)a32[i] * b32[i]; if (a32[i] < lo) lo = a32[i]; fsum += fl[i] * fl[i]; if (db[i] > dmax) dmax = db[i]; ones += __builtin_popcount(a32[i]) + __builtin_clz(b32[i] | 1); }
  printf("vector %u %d %g %.12g %u\n", total, lo, fsum, dmax, ones);
  int64_t q = INT64_MIN / 7; uint32_t u = (uint32_t)-5; int16_t s = (int16_t)40000; int8_t c = (int8_t)200;
  printf("integers %lld %lld %u %u %d %d %lld\n", (long long)q, (long long)(q % 1000), u / 3, u % 7, s, c, (long long)((__int128)q * 12345 >> 64));
  printf("conversions %d %lld %u %.17g %a %.6Lg\n", (int)-3.99, (long long)1e18, (unsigned)3e9, (double)UINT64_MAX, 0.1, (long double)1 / 3);
  printf("math %.15g %.15g %.15g %.15g %.15g %g\n", pow(2.5, 3.5), exp(-3), log1p(1e-10), cbrt(27.5), fmod(1e10, 7.3), floor(-0.5) + rint(2.5) + trunc(-7.9));
  char text[64] = "The Quick Brown Fox"; for (char *p = text; *p; p++) *p = isupper(*p) ? tolower(*p) : toupper(*p);
  char *save, *word = strtok_r(text, " ", &save); while (word) { printf("%s.", word); word = strtok_r(NULL, " ", &save); }
  char *end; errno = 0; long big = strtol("99999999999999999999", &end, 10);
  printf(" %d %ld %g %d\n", errno == ERANGE, big, strtod("0x1.8p3junk", &end), (int)strlen(end));
  int jumped = setjmp(back); if (!jumped) deep(20);
  time_t day = 86400 * 365; struct tm *tm = gmtime(&day);
  printf("jumped %d year %d argc %d %s\n", jumped, tm->tm_year, argc, argc > 1 ? argv[1] : "-");
  return jumped + 1;
}
