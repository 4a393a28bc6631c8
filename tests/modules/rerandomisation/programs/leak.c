/* Learns an address inside a library, as an attacker would, and uses it after some system calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int back(int (*callback)(int), int value);
#define MASK 0x5555555555555555ul

static unsigned long leaked;
static int callback(int value) {
  /* Masked: an attacker's knowledge is not in the memory of the program. */
  leaked = (unsigned long)__builtin_return_address(0) ^ MASK;
  return value + 1;
}
/* Overwrites return addresses that are left of earlier calls. */
__attribute__((noinline)) static void scrub(void) {
  volatile char room[1 << 16];
  for (int i = 0; i < sizeof room; i++) room[i] = 0;
}
static void look(unsigned char *code) { memcpy(code, (void *)(leaked ^ MASK), 4); }
/* Calls the library far down on the stack, where nothing of it is left after scrub. */
__attribute__((noinline)) static int probe(int value, unsigned char *code) {
  volatile char deep[4096];
  deep[value] = 0;
  int result = back(callback, value);
  look(code);
  return result + deep[value];
}
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }

int main(int argc, char **argv) {
  unsigned char before[4], after[4];
  printf("%d\n", probe(5, before));
  scrub();
  for (int i = 0; i < 30; i++) getppid();
  look(after);
  int values[] = {5, 3, 9, 1};
  qsort(values, 4, sizeof *values, compare);
  printf("%d %d\n", back(callback, 6), values[0]);
  int moved = memcmp(before, after, 4) != 0;
  fprintf(stderr, "moved %d\n", moved);
  fflush(stdout);
  if (moved && argc > 1) {
    probe(7, before);
    unsigned long stale = leaked;
    scrub();
    for (int i = 0; i < 30; i++) getppid();
    ((void (*)(void))(stale ^ MASK))();
    puts("it still works");
  }
  return 0;
}
