/* Keeps a secret. */
#include <string.h>

static char secret[32] = "open sesame";
static long calls;

char *vault_where(void) {
  return secret;
}

int vault_check(const char *guess) {
  calls++;
  return strcmp(guess, secret) == 0;
}

void vault_change(const char *text) {
  strcpy(secret, text);
}

long vault_sum(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j) {
  calls++;
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

double vault_mix(double x, int n, double y) {
  calls++;
  return x * n + y;
}

struct pair {
  long first, second;
};
struct pair vault_pair(long a) {
  return (struct pair){a + calls, a - calls};
}

/* Calls back, with nothing of its own in the way. */
long vault_call(long (*function)(long), long argument) {
  char mine[1000];
  memset(mine, 7, sizeof mine);
  long result = function(argument);
  for (unsigned i = 0; i < sizeof mine; i++) {
    if (mine[i] != 7) return -1;
  }
  calls++;
  return result + 1;
}

long vault_calls(void) {
  return calls;
}

void *vault_stack(void) {
  char here;
  char *volatile there = &here;
  return there;
}

__attribute__((constructor)) static void begin(void) {
  calls = 100;
}
