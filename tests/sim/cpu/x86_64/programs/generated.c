/* Code made at run time: written and run, under W^X, through two mappings, by itself, by another thread. */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
typedef uint32_t (*function)(void);

/* mov eax, n; ret */
static void make(uint8_t *at, uint32_t n) {
  at[0] = 0xb8;
  memcpy(at + 1, &n, 4);
  at[5] = 0xc3;
}
static uint32_t call(uint8_t *at) {
  function f;
  memcpy(&f, &at, sizeof f);
  return f();
}

static void writable_and_executable(void) {
  uint8_t *code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t sum = 0;
  for (int i = 0; i < 3000; i++) {
    make(code + 16 * (i % 7), i * 3);
    sum = sum * 31 + call(code + 16 * (i % 7));
  }
  /* Over the end of a page, one byte of it at a time. */
  for (int i = 0; i < 200; i++) {
    make(code + PAGE - 3, i);
    code[PAGE - 3 + 1 + i % 4] ^= 0x55;
    sum = sum * 31 + call(code + PAGE - 3);
  }
  /* A loop that changes itself: mov eax, n; inc dword [the n]; dec ecx; jnz; ret. */
  static const uint8_t loop[] = {0xb9, 50, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0xff, 0x05, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x75, 0xf1, 0xc3};
  for (int i = 0; i < 20; i++) {
    memcpy(code + 512, loop, sizeof loop);
    sum = sum * 31 + call(code + 512);
  }
  /* The next instruction is changed: mov byte [rip+1], n; mov eax, 0; ret. */
  static const uint8_t next[] = {0xc6, 0x05, 1, 0, 0, 0, 99, 0xb8, 0, 0, 0, 0, 0xc3};
  for (int i = 0; i < 20; i++) {
    memcpy(code + 1024, next, sizeof next);
    code[1024 + 6] = i;
    sum = sum * 31 + call(code + 1024);
  }
  printf("writable and executable %lx\n", sum);
  munmap(code, 2 * PAGE);
  /* The same address, other code. */
  for (int i = 0; i < 50; i++) {
    uint8_t *again = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    make(again, i);
    sum = sum * 31 + call(again);
    munmap(again, PAGE);
  }
  printf("mapped anew %lx\n", sum);
}

static void either_or(void) {
  uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t sum = 0;
  for (int i = 0; i < 300; i++) {
    mprotect(code, PAGE, PROT_READ | PROT_WRITE);
    make(code + 8 * (i % 5), i);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    for (int j = 0; j < 5; j++) sum = sum * 31 + (j <= i ? call(code + 8 * j) : 0);
  }
  printf("one or the other %lx\n", sum);
}

static void two_mappings(void) {
  int file = memfd_create("code", 0);
  ftruncate(file, PAGE);
  uint8_t *writable = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  uint8_t *executable = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  uint8_t *second = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  uint64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    make(writable + 100, i);
    sum = sum * 31 + call(executable + 100);
    if (i % 3 == 0) sum = sum * 31 + call(second + 100);
  }
  /* By write(2), and in a child. */
  for (int i = 0; i < 100; i++) {
    uint8_t bytes[6];
    make(bytes, i * 7);
    pwrite(file, bytes, 6, 100);
    sum = sum * 31 + call(second + 100);
  }
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    make(writable + 100, 12345);
    _exit(call(executable + 100) == 12345 ? 7 : 8);
  }
  int status;
  waitpid(child, &status, 0);
  printf("two mappings %lx, child %d, then %u\n", sum, WEXITSTATUS(status), call(executable + 100));
}

static void private_in_child(void) {
  uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  make(code, 1);
  uint32_t before = call(code);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    make(code, 2);
    _exit(call(code));
  }
  int status;
  waitpid(child, &status, 0);
  printf("a child's own %u %d %u\n", before, WEXITSTATUS(status), call(code));
}

static uint8_t *shared;
static volatile int turn;
static void *other(void *argument) {
  uint64_t sum = 0;
  for (int i = 0; i < 100; i++) {
    while (turn != 2 * i + 1) sched_yield();
    sum = sum * 31 + call(shared);
    turn = 2 * i + 2;
  }
  *(uint64_t *)argument = sum;
  return NULL;
}
static void threads(void) {
  int known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  printf("membarrier %d %d\n", (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) != 0,
         syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t thread;
  uint64_t sum;
  pthread_create(&thread, NULL, other, &sum);
  int failed = 0;
  for (int i = 0; i < 100; i++) {
    make(shared, i * i);
    failed |= syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    turn = 2 * i + 1;
    while (turn != 2 * i + 2) sched_yield();
  }
  pthread_join(thread, NULL);
  printf("threads %lx %d\n", sum, failed);
}

int main(void) {
  writable_and_executable();
  either_or();
  two_mappings();
  private_in_child();
  threads();
  return 0;
}
