#include <stdio.h>
int deep(void);
int shared(void);
int from_program(void);
extern __thread int deep_counter;
__thread char name[40] = "late";
static __thread long table[3] __attribute__((aligned(64))) = {7, 8, 9};
__attribute__((constructor)) static void begin(void) { puts("late begins"); fflush(stdout); }
__attribute__((constructor)) static void begin_again(void) { puts("late begins again"); }
__attribute__((destructor)) static void end(void) { puts("late ends"); fflush(stdout); }
int late(int by)
{
  table[1] += by;
  name[0]++;
  return printf("%s %ld %d %d %d %d aligned %d\n", name, table[1], deep_counter, deep(), shared(),
                from_program(), (int) ((unsigned long) table % 64));
}
int late_value = 17;
