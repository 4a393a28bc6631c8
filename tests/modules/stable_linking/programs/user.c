#include <stdio.h>
int first(void), second(void), third(void);
int fourth(void) __attribute__((weak));
int main(void) {
  printf("%d %d %d %d\n", first(), second(), third(), fourth ? fourth() : 0);
  return 0;
}
