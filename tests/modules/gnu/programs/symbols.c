/* Binding: versions, IFUNC, copies, protected symbols, weak references, interposition. */
#include <stdio.h>
extern int data[3];
extern int (*pointer)(void);
int old_call(void), new_call(void), chosen(void), protected_call(void), interposed(void);
int replaced(void) { return 99; }
extern int absent(void) __attribute__((weak));
int symbols_chosen_address(void *);
__asm__(".symver old_call, versioned@V1");
__asm__(".symver new_call, versioned@V2");
int main(void) {
  printf("%d %d %d\n", data[0], data[1], data[2]);
  data[1] = 7;
  printf("%d %d %d %d\n", old_call(), new_call(), chosen(), pointer());
  printf("%d %d %d\n", protected_call(), interposed(), absent != NULL);
  printf("%d\n", symbols_chosen_address((void *)chosen));
  return 0;
}
