/* The sieve of Eratosthenes below the first argument. */
#include "guest.h"

int main(int argc, char **argv) {
  u64 limit = number(argc > 1 ? argv[1] : NULL, 100000);
  u8 *composite = map(NULL, limit + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (failed(composite)) return 1;
  u64 primes = 0, last = 0;
  for (u64 i = 2; i < limit; i++) {
    if (composite[i]) continue;
    primes++;
    last = i;
    for (u64 multiple = i * i; multiple < limit; multiple += i) composite[multiple] = 1;
  }
  count("primes", primes);
  count("last", last);
  return 0;
}
