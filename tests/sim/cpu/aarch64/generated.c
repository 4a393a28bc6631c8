/*
 * Code that a program makes while it runs: functions that return a number are written, run often enough to
 * be hot, written anew, and must return the new number. Prints what each way of doing so returned.
 */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 16384, RUNS = 200, TIMES = 12 };
typedef int (*function)(void);

/* mov w0, #number; ret */
static void write_function(char *at, int number) {
  const uint32_t words[2] = {0x52800000u | (uint32_t)(number & 0xffff) << 5, 0xd65f03c0u};
  memcpy(at, words, sizeof words);
}

static long run(char *at) {
  long sum = 0;
  for (int i = 0; i < RUNS; i++) sum += ((function)at)();
  return sum;
}

static char *map(int protection, int flags, int descriptor) {
  return mmap(0, SIZE, protection, flags, descriptor, 0);
}

/* A caller in memory that calls a callee in memory, on another page: bl, and what it returns plus one. */
static void write_caller(char *at, char *callee) {
  const uint32_t offset = (uint32_t)((callee - (at + 4)) / 4) & 0x3ffffff;
  const uint32_t words[4] = {0xf81f0ffeu, 0x94000000u | offset, 0xf84107feu, 0x11000400u};
  const uint32_t ret = 0xd65f03c0u;
  memcpy(at, words, sizeof words);
  memcpy(at + sizeof words, &ret, 4);
}

static char *shared;
static volatile int turn, answer;
static void *other(void *unused) {
  (void)unused;
  for (int i = 1; i <= TIMES; i++) {
    while (turn != i) __asm__ volatile("yield");
    answer = (int)(run(shared) / RUNS);
    turn = -i;
  }
  return 0;
}

int main(void) {
  char *code = map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  printf("written in place:");
  for (int i = 0; i < TIMES; i++) {
    write_function(code, i);
    __builtin___clear_cache(code, code + 8);
    printf(" %ld", run(code) / RUNS);
  }

  printf("\ncallee written anew:");
  write_caller(code, code + 4096);
  __builtin___clear_cache(code, code + 32);
  for (int i = 0; i < TIMES; i++) {
    write_function(code + 4096, i);
    __builtin___clear_cache(code + 4096, code + 4104);
    printf(" %ld", run(code) / RUNS);
  }

  printf("\none instruction of two:");
  for (int i = 0; i < TIMES; i++) {
    const uint32_t word = 0x52800000u | (uint32_t)i << 5;
    memcpy(code + 4096, &word, 4);
    __builtin___clear_cache(code + 4096, code + 4100);
    printf(" %ld", run(code) / RUNS);
  }

  printf("\nwritable, then executable:");
  for (int i = 0; i < TIMES; i++) {
    mprotect(code, SIZE, PROT_READ | PROT_WRITE);
    write_function(code, 100 + i);
    mprotect(code, SIZE, PROT_READ | PROT_EXEC);
    __builtin___clear_cache(code, code + 8);
    printf(" %ld", run(code) / RUNS);
  }

  printf("\nby another mapping:");
  const int descriptor = memfd_create("code", 0);
  if (ftruncate(descriptor, SIZE) != 0) return 1;
  char *data = map(PROT_READ | PROT_WRITE, MAP_SHARED, descriptor);
  char *twin = map(PROT_READ | PROT_EXEC, MAP_SHARED, descriptor);
  for (int i = 0; i < TIMES; i++) {
    write_function(data, 200 + i);
    __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %1\n dsb ish\n isb" ::"r"(data), "r"(twin)
                     : "memory");
    printf(" %ld", run(twin) / RUNS);
  }

  printf("\nby a system call:");
  for (int i = 0; i < TIMES; i++) {
    char words[8];
    write_function(words, 300 + i);
    if (pwrite(descriptor, words, 8, 0) != 8) return 1;
    __builtin___clear_cache(twin, twin + 8);
    printf(" %ld", run(twin) / RUNS);
  }

  printf("\nmapped anew at the same address:");
  for (int i = 0; i < TIMES; i++) {
    munmap(code, SIZE);
    code = mmap(code, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    write_function(code, 400 + i);
    __builtin___clear_cache(code, code + 8);
    printf(" %ld", run(code) / RUNS);
  }

  printf("\nfor another thread:");
  syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
  shared = code;
  pthread_t thread;
  pthread_create(&thread, 0, other, 0);
  for (int i = 1; i <= TIMES; i++) {
    write_function(code, 500 + i);
    __builtin___clear_cache(code, code + 8);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    turn = i;
    while (turn != -i) __asm__ volatile("yield");
    printf(" %d", answer);
  }
  pthread_join(thread, 0);
  printf("\n");
  return 0;
}
