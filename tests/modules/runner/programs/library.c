/* A library of which there is one in machine code, one in WebAssembly, and one in JavaScript. */
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name)))
static char heap[1 << 16];
static unsigned top;
EXPORT(malloc) void *malloc(unsigned long size) {
  void *at = heap + top;
  top += (size + 15) & ~15ul;
  return top > sizeof heap ? 0 : at;
}
EXPORT(free) void free(void *at) { if (at == heap + top) top = 0; }
#else
#define EXPORT(name)
#endif

int c_puts(const char *);
double c_scale(double, float);
long long c_first(const unsigned char *, unsigned long);

EXPORT(add) int add(int a, int b) { return a + b; }
EXPORT(mul64) long long mul64(long long a, long long b) { return a * b; }
EXPORT(mix)
double mix(int a, double b, float c, long long d, int e, int f, int g, int h, int i, double j, double k, double l,
           double m, double n, double o, double p, double q, int r, float s) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l + 13 * m +
         14 * n + 15 * o + 16 * p + 17 * q + 18 * r + 19 * s;
}
EXPORT(half) float half(float x) { return x / 2; }

EXPORT(greet) const char *greet(const char *name) {
  static char text[100];
  if (!name) return 0;
  char *to = text;
  for (const char *from = "hello, "; *from;) *to++ = *from++;
  while (*name) *to++ = *name++;
  *to++ = '!';
  *to = 0;
  c_puts(text);
  return text;
}

EXPORT(sum) int sum(const unsigned char *bytes, unsigned long size) {
  int total = 0;
  for (unsigned long i = 0; i < size; i++) total += bytes[i];
  return total;
}
EXPORT(upper) void upper(char *bytes, unsigned long size) {
  for (unsigned long i = 0; i < size; i++)
    if (bytes[i] >= 'a' && bytes[i] <= 'z') bytes[i] -= 32;
}
EXPORT(first) long long first(long long seed) {
  unsigned char bytes[3] = {7, 8, 9};
  return c_first(bytes, 3) + seed;
}

EXPORT(apply) int apply(int (*f)(int), int n) {
  int s = 0;
  for (int i = 0; i < n; i++) s = s * 3 + f(i);
  return s;
}
static int triple(int x) { return 3 * x; }
static int square(int x) { return x * x; }
typedef int function(int);
EXPORT(pick) function *pick(int which) { return which ? square : triple; }

EXPORT(scaled) double scaled(double x) { return c_scale(x, 1.5f) + 1; }
EXPORT(deep) int deep(int n) { return n == 0 ? 0 : apply(triple, 1) + 1 + deep(n - 1); }

static int counter;
EXPORT(count) int count(void) { return ++counter; }

EXPORT(divide) int divide(int a, int b) {
#ifdef __x86_64__
  return a / b;
#else
  if (b == 0) __builtin_trap();
  return a / b;
#endif
}
