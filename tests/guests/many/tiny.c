/* libtiny.so: what every library of `many` shares. It is initialised first and destroyed last. */
#include "guest.h"

u64 many_hops = 0;
/* Initialised data that a program without PIE copies into itself. */
u64 many_palette[8] = {3, 1, 4, 1, 5, 9, 2, 6};
u64 many_constructed, many_destroyed, many_disorder;

__attribute__((destructor)) static void last(void) {
  count("destroyed", many_destroyed);
  count("disorder", many_disorder);
  flush();
}
