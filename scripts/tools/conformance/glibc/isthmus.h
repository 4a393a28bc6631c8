/* What glibc's own headers would give its tests. */
#include <limits.h>
#define attribute_hidden __attribute__ ((visibility ("hidden")))
#define inhibit_stack_protector
#define weak_alias(name, alias) \
  extern __typeof (name) alias __attribute__ ((weak, alias (#name)));
#define strong_alias(name, alias) extern __typeof (name) alias __attribute__ ((alias (#name)));
