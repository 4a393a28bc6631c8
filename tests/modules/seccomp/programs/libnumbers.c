/* Functions that make system calls in every way that an analysis must follow. */
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
static inline __attribute__((always_inline)) long enter(long number, long a) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a) : "rcx", "r11", "memory");
  return result;
}
#else
static inline __attribute__((always_inline)) long enter(long number, long a) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
  return x0;
}
#endif
#define APART __attribute__((noinline, noclone))

long direct(void) {
  return enter(SYS_getpid, 0);
}

long chosen(int which) {
  long number = SYS_getgid;
  if (which > 3) {
    __asm__ volatile(""); /* a branch, not arithmetic on the two numbers */
    number = SYS_getuid;
  }
  return enter(number, 0);
}

static APART long wrapper(long a, long number) {
  return enter(number, a);
}
long wrapped(void) {
  return wrapper(1, SYS_gettid) + 1;
}

static APART long outer(long number) {
  return wrapper(2, number) + 2;
}
long twice(void) {
  return outer(SYS_getppid) + 1;
}

long by_libc(void) {
  return syscall(SYS_getpgid, 0) + 1;
}

static APART long never_called(long a) {
  return enter(SYS_sync, a);
}
long (*table[])(long) = {never_called};

static APART long by_pointer(long a) {
  return enter(SYS_getsid, a);
}
long pointer(void) {
  long (*volatile function)(long) = by_pointer;
  return function(0) + 1;
}

struct request {
  long a;
  int number;
};
static APART long perform(volatile struct request *request) {
  return enter(request->number, request->a);
}
long stored(void) {
  volatile struct request request;
  request.a = 5000;
  request.number = SYS_umask;
  return perform(&request) + 1;
}

long imported(void) {
  return write(1, "", 0) + 1;
}

long unknown(int number) {
  return enter(number * 2, 0);
}
