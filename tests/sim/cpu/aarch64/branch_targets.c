/*
 * Branch target identification: every branch, from a guarded page and from another, to every landing pad on a guarded
 * page and on another, often enough to be hot. Prints the signal that came of it, where, and PSTATE.BTYPE in its frame.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, RUNS = 40, BTI = 0x10, BTYPE = 0xc00 };
typedef long (*function)(uint32_t *target, long argument);

static const struct {
  const char *name;
  uint32_t words[5];
} branches[] = {
    /* The target returns to the caller of this. */
    {"br x15", {0xd503245f, 0xaa0003ef, 0xd61f01e0}},
    {"br x16", {0xd503245f, 0xaa0003f0, 0xd61f0200}},
    {"br x17", {0xd503245f, 0xaa0003f1, 0xd61f0220}},
    {"ret x15", {0xd503245f, 0xaa0003ef, 0xd65f01e0}},
    /* str x30, [sp, #-16]!; blr x0; ldr x30, [sp], #16; ret */
    {"blr x0", {0xd503245f, 0xf81f0ffe, 0xd63f0000, 0xf84107fe, 0xd65f03c0}},
};

static const struct {
  const char *name;
  uint32_t word;
} landings[] = {
    {"nop", 0xd503201f},     {"bti", 0xd503241f},     {"bti c", 0xd503245f},   {"bti j", 0xd503249f},
    {"bti jc", 0xd50324df},  {"paciasp", 0xd503233f}, {"pacibsp", 0xd503237f}, {"brk", 0xd4200000},
    {"udf", 0x00000000},     {"ldr x2, [x1]", 0xf9400022},
};

static uint32_t *target;
static struct {
  int count, signal, code;
  long at, type;
} seen;

static void handler(int signal, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  seen.count++;
  seen.signal = signal;
  seen.code = info->si_code;
  seen.at = (char *)info->si_addr - (char *)target;
  seen.type = (m->pstate & BTYPE) >> 10;
  m->pc = (uintptr_t)(target + 1);
  m->pstate &= ~(uint64_t)BTYPE;
}

static char *map(int guarded) {
  return mmap(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC | (guarded ? BTI : 0),
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void put(void *at, const uint32_t *words, int count) {
  memcpy(at, words, 4 * count);
  __builtin___clear_cache(at, (char *)at + 4 * count);
}

static void print(const char *what) {
  printf("%s: ", what);
  if (seen.count == 0) printf("nothing\n");
  else {
    const int here = seen.at >= 0 && seen.at < PAGE;
    printf("%d of signal %d code %d at %s%ld, BTYPE %ld\n", seen.count, seen.signal, seen.code,
           here ? "target+" : "", here ? seen.at : seen.at + (long)target, seen.type);
  }
  memset(&seen, 0, sizeof seen);
}

static void every(void) {
  for (int from = 0; from < 2; from++) {
    for (int to = 0; to < 2; to++) {
      for (size_t b = 0; b < sizeof branches / sizeof *branches; b++) {
        for (size_t l = 0; l < sizeof landings / sizeof *landings; l++) {
          char *source = map(from);
          target = (uint32_t *)map(to);
          put(source, branches[b].words, 5);
          const uint32_t words[2] = {landings[l].word, 0xd65f03c0};
          put(target, words, 2);
          for (int i = 0; i < RUNS; i++) ((function)source)(target, 0);
          char what[80];
          snprintf(what, sizeof what, "%s from a%s page to %s on a%s page", branches[b].name,
                   from ? " guarded" : "n open", landings[l].name, to ? " guarded" : "n open");
          print(what);
          munmap(source, PAGE);
          munmap(target, PAGE);
        }
      }
    }
  }
}

/* The same page guarded, open, and guarded again. */
static void change(void) {
  target = (uint32_t *)map(0);
  const uint32_t words[2] = {0xd503201f, 0xd65f03c0};
  put(target, words, 2);
  char *source = map(0);
  put(source, branches[4].words, 5);
  for (int turn = 0; turn < 4; turn++) {
    for (int i = 0; i < RUNS; i++) ((function)source)(target, 0);
    print(turn % 2 ? "guarded by mprotect" : "opened by mprotect");
    if (mprotect(target, PAGE, PROT_READ | PROT_EXEC | (turn % 2 ? 0 : BTI))) printf("refused\n");
  }
}

/* A direct branch, and what follows a branch, may go anywhere. */
static void direct(void) {
  target = (uint32_t *)map(1);
  /* bti c; b . + 8; nop; cbz xzr, . + 8; nop; ret */
  const uint32_t words[6] = {0xd503245f, 0x14000002, 0xd503201f, 0xb400005f, 0xd503201f, 0xd65f03c0};
  put(target, words, 6);
  for (int i = 0; i < RUNS; i++) ((function)(void *)target)(target, 0);
  print("direct branches on a guarded page");
}

/* A handler is called, and a frame says how one goes on. */
static long resumed;
static void resuming(int signal, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  (void)signal, (void)info;
  m->pc = (uintptr_t)target;
  m->pstate = (m->pstate & ~(uint64_t)BTYPE) | resumed << 10;
}

static void frames(void) {
  struct sigaction action = {.sa_flags = SA_SIGINFO};
  target = (uint32_t *)map(1);
  const uint32_t words[2] = {0xd503201f, 0xd65f03c0};
  put(target, words, 2);
  action.sa_sigaction = (void (*)(int, siginfo_t *, void *))(void *)target;
  sigaction(SIGUSR1, &action, 0);
  raise(SIGUSR1);
  print("a handler that is no landing pad");
  const uint32_t pad = 0xd503245f;
  put(target, &pad, 1);
  raise(SIGUSR1);
  print("a handler that is one");
  action.sa_sigaction = resuming;
  sigaction(SIGTRAP, &action, 0);
  for (size_t l = 0; l < 5; l++) {
    put(target, &landings[l].word, 1);
    for (resumed = 0; resumed < 4; resumed++) {
      char what[80];
      snprintf(what, sizeof what, "sigreturn to %s with BTYPE %ld", landings[l].name, resumed);
      __asm__ volatile("adr x30, 1f\n\tbrk #0\n1:" ::: "x30", "memory");
      print(what);
    }
  }
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  const int signals[] = {SIGILL, SIGSEGV, SIGTRAP, SIGBUS};
  for (int i = 0; i < 4; i++) sigaction(signals[i], &action, 0);
  printf("announced: %d\n", (int)(getauxval(AT_HWCAP2) >> 17 & 1));
  every();
  change();
  direct();
  frames();
  /* Nothing is there; the handler goes on at the target. */
  char *source = map(1);
  put(source, branches[4].words, 5);
  const uint32_t words[2] = {0, 0xd65f03c0};
  target = (uint32_t *)map(0);
  put(target, words, 2);
  uint32_t *nothing = (uint32_t *)map(1);
  munmap(nothing, PAGE);
  ((function)source)(nothing, 0);
  seen.at = 0;
  print("blr to nothing");
  return 0;
}
