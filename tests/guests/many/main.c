/* many [ITERATIONS] [DEPTH]: walks through the functions of all libraries in an order that only the
   data decides, DEPTH calls deep each time, and prints a checksum. */
#include "many.h"

static __thread u64 own_tls[5] = {11, 22, 33, 44, 55};
static __thread u64 own_zero[3];
static u64 constructed_before_main;

u64 many_absent(u64 x) __attribute__((weak));
u64 many_optional(u64 x) __attribute__((weak));

/* Pointers the linker has to relocate, in an order of their own. */
static Hop *const entries[] = {MANY_ENTRIES};
enum { entry_count = sizeof entries / sizeof *entries };

__attribute__((constructor)) static void first(void) {
  constructed_before_main = many_constructed;
}

__attribute__((destructor)) static void last(void) {
  say("main's destructor\n");
}

static u64 enter(u64 x, u64 depth) {
  switch (x >> 58 & 15) {
    MANY_CALLS
    default:
      return entries[(x >> 32) % entry_count](x, depth);
  }
}

int main(int argc, char **argv) {
  u64 iterations = number(argc > 1 ? argv[1] : NULL, 1000);
  u64 depth = number(argc > 2 ? argv[2] : NULL, 16);
  u64 x = 88172645463325252ul;
  for (u64 i = 0; i < iterations; i++) {
    x = enter(x, depth) + i;
    own_tls[i % 5] += x;
    own_zero[i % 3] ^= x;
  }
  count("iterations", iterations);
  count("hops", many_hops);
  show("checksum", x);
  u64 tls = many_all_tls();
  for (int i = 0; i < 5; i++) tls = tls * 31 + own_tls[i];
  for (int i = 0; i < 3; i++) tls = tls * 31 + own_zero[i];
  show("thread-local", tls);
  u64 colours = 0;
  for (int i = 0; i < 8; i++) colours = colours * 10 + many_palette[i];
  count("palette", colours);
  count("libraries", many_constructed);
  count("before main", constructed_before_main);
  count("absent weak symbol", many_absent != NULL);
  count("present weak symbol", many_optional ? many_optional(1) : 0);
  count("first definition", many_common(0));
  count("old version", many_old_tag());
  count("default version", many_tag());
  count("indirect function", many_pick(20));
  count("same address", many_address() == (Hop *)m00_f00);
  return 0;
}
