/* What the processor says of protection keys, and whether it has them. */
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
  unsigned long there;
#if defined(__x86_64__)
  unsigned a = 7, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  there = c >> 4 & 1; /* OSPKE */
#else
  there = getauxval(AT_HWCAP2) >> 63; /* HWCAP2_POE */
#endif
  printf("announced %lu\n", there);
  long key = syscall(SYS_pkey_alloc, 0, 0);
  printf("key %ld\n", key);
  fflush(stdout);
#if defined(__aarch64__)
  unsigned long rights;
  __asm__ volatile("mrs %0, S3_3_C10_C2_4" : "=r"(rights));
#endif
  if (key < 0) return 0;
  volatile int *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *page = 7;
  syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, key);
  printf("read %d\n", *page);
  return 0;
}
