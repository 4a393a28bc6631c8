/* The guests' whole C library: no header and no code of the host's is used. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int i32;
typedef long i64;

#define NULL ((void *)0)

#if defined(__x86_64__)
#include "arch_x86_64.h"
#elif defined(__aarch64__)
#include "arch_aarch64.h"
#else
#error "unknown architecture"
#endif

#define SYSTEM_CALL(number, ...) SYSTEM_CALL_(number, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYSTEM_CALL_(number, a, b, c, d, e, f, ...)                                          \
  system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

void *memcpy(void *to, const void *from, u64 size);
void *memmove(void *to, const void *from, u64 size);
void *memset(void *to, int byte, u64 size);
int memcmp(const void *a, const void *b, u64 size);
u64 strlen(const char *text);
int strcmp(const char *a, const char *b);
/* The decimal number `text` holds, `otherwise` if there is no text. */
u64 number(const char *text, u64 otherwise);

/* Standard output, buffered until flush() or finish(). Numbers are followed by a newline. */
void say(const char *text);
void show(const char *label, u64 hexadecimal);
void count(const char *label, u64 decimal);
void flush(void);
/* Standard error, not buffered. */
void note(const char *text);

/* Flushes standard output and ends every thread. */
__attribute__((noreturn)) void finish(int code);

/* xorshift64*: the only source of "random" numbers. */
static inline u64 next_random(u64 *state) {
  u64 x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * 0x2545f4914f6cdd1dul;
}

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum {
  MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20,
  MAP_HUGETLB = 0x40000, MAP_HUGE_2MB = 21 << 26,
};
enum { O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, AT_FDCWD = -100 };
enum { SIGSEGV = 11, SIGUSR1 = 10, SIGBUS = 7, SIGILL = 4, SIGTRAP = 5, SIGCHLD = 17 };
enum {
  SA_SIGINFO = 4, SA_ONSTACK = 0x08000000, SA_NODEFER = 0x40000000, SA_RESTORER = 0x04000000,
};

static inline int failed(void *address) {
  return (u64)address >= (u64)-4095l;
}

static inline u8 *map(void *at, u64 size, int rights, int flags, int file, u64 offset) {
  return (u8 *)SYSTEM_CALL(SYS_mmap, at, size, rights, flags, file, offset);
}

typedef void (*Handler)(int signal, void *information, void *context);
/* Installs a handler with SA_SIGINFO and `flags`; 0 or a negative errno. */
long handle_signal(int signal, Handler handler, u64 flags);
/* Starts `run(argument)` on `stack_top` with clone(2) `flags`; the thread's id or a negative errno. */
long start_thread(u64 flags, void *stack_top, i32 *parent_id, i32 *child_id, void (*run)(void *),
                  void *argument);
/* fork(2), as clone with SIGCHLD. */
long fork(void);

#endif
