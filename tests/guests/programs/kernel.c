/* Integer work of the kinds a compiler makes: multiply-add, division, sorting, hashing, searching.
   The first argument is the number of rounds. */
#include "guest.h"

enum { side = 48, length = 4096 };

static u32 left[side][side], right[side][side], product[side][side];
static u32 keys[length];
static u64 slots[2 * length];

static u64 multiply(u64 seed) {
  for (int i = 0; i < side; i++) {
    for (int j = 0; j < side; j++) {
      left[i][j] = (u32)next_random(&seed);
      right[i][j] = (u32)next_random(&seed);
    }
  }
  u64 sum = 0;
  for (int i = 0; i < side; i++) {
    for (int j = 0; j < side; j++) {
      u32 cell = 0;
      for (int k = 0; k < side; k++) cell += left[i][k] * right[k][j];
      product[i][j] = cell;
      sum = sum * 31 + cell;
    }
  }
  return sum;
}

static void sort(u32 *from, u32 *to) {
  while (from < to) {
    u32 pivot = from[(to - from) / 2], *low = from, *high = to;
    while (low <= high) {
      while (*low < pivot) low++;
      while (*high > pivot) high--;
      if (low <= high) {
        u32 kept = *low;
        *low++ = *high;
        *high-- = kept;
      }
    }
    if (high - from < to - low) {
      sort(from, high);
      from = low;
    } else {
      sort(low, to);
      to = high;
    }
  }
}

static u64 order(u64 seed) {
  for (int i = 0; i < length; i++) keys[i] = (u32)next_random(&seed);
  sort(keys, keys + length - 1);
  u64 sum = 0;
  for (int i = 0; i < length; i++) sum = sum * 33 ^ keys[i];
  return sum;
}

static u64 hash(u64 seed) {
  memset(slots, 0, sizeof slots);
  u64 probes = 0;
  for (int i = 0; i < length; i++) {
    u64 key = next_random(&seed) | 1;
    u64 at = (key * 0x9e3779b97f4a7c15ul) >> 51;
    while (slots[at] && slots[at] != key) at = (at + 1) & (2 * length - 1), probes++;
    slots[at] = key;
  }
  return probes;
}

static u64 collatz(u64 limit) {
  u64 best = 0;
  for (u64 start = 1; start < limit; start++) {
    u64 x = start, steps = 0;
    while (x != 1) x = x & 1 ? 3 * x + 1 : x / 2, steps++;
    if (steps > best) best = steps;
  }
  return best;
}

static u64 divide(u64 seed) {
  u64 sum = 0;
  for (int i = 0; i < length; i++) {
    u64 a = next_random(&seed), b = next_random(&seed) >> (i & 63) | 1;
    i64 c = (i64)next_random(&seed) >> (i & 31);
    sum += a / b + a % b + (u64)(c / (i64)(b >> 1 | 1)) + (u32)a / ((u32)b | 1);
  }
  return sum;
}

int main(int argc, char **argv) {
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 3);
  u64 sum = 0;
  for (u64 round = 1; round <= rounds; round++) {
    sum = sum * 1000003 ^ multiply(round);
    sum = sum * 1000003 ^ order(round);
    sum = sum * 1000003 ^ hash(round);
    sum = sum * 1000003 ^ collatz(2000 + round);
    sum = sum * 1000003 ^ divide(round);
  }
  count("rounds", rounds);
  show("checksum", sum);
  return 0;
}
