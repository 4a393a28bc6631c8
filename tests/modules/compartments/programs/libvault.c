/* Keeps a secret. */
#include <stdint.h>
#include <stdlib.h>
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

static char *note;

/* Keeps a copy in memory of its own. */
char *vault_note(const char *text) {
  note = malloc(strlen(text) + 1);
  return strcpy(note, text);
}

/* Frees what the caller has allocated. */
void vault_take(char *text) {
  free(text);
}

/* Memory of all kinds, with what was in it before; the number of errors. */
int vault_allocate(void) {
  int errors = 0;
  for (int round = 0; round < 3; round++) {
    char *blocks[100];
    for (int i = 0; i < 100; i++) {
      blocks[i] = malloc(i * 7);
      memset(blocks[i], i, i * 7);
    }
    for (int i = 0; i < 100; i++) {
      blocks[i] = realloc(blocks[i], i * 50 + 1);
      for (int j = 0; j < i * 7; j++) errors += blocks[i][j] != i;
      memset(blocks[i], 1, i * 50 + 1);
    }
    for (int i = 0; i < 100; i += 2) free(blocks[i]);
    for (int i = 0; i < 100; i += 2) {
      blocks[i] = calloc(i + 1, 50);
      for (int j = 0; j < 50 * (i + 1); j++) errors += blocks[i][j] != 0;
    }
    for (int i = 0; i < 100; i++) free(blocks[i]);
    void *aligned = NULL;
    errors += posix_memalign(&aligned, 4096, 100) != 0 || (uintptr_t)aligned % 4096 != 0;
    free(aligned);
    free(NULL);
    errors += malloc(1ul << 40) != NULL;
  }
  return errors;
}

static long fast(long more) {
  return calls + more;
}
static long slow(long more) {
  return calls - more;
}
static void *choose(void) {
  return sizeof(long) == 8 ? fast : slow;
}
/* Chosen when it is bound. */
__attribute__((ifunc("choose"))) long vault_chosen(long more);
