/* Accesses to addresses that no program can have, and what the signal says of each. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static siginfo_t information;
static greg_t registers[NGREG];

static void on_signal(int signal, siginfo_t *given, void *context) {
  information = *given;
  for (int i = 0; i < NGREG; i++) registers[i] = ((ucontext_t *)context)->uc_mcontext.gregs[i];
  siglongjmp(back, signal);
}

static void try(int what, unsigned long at) {
  static const char *const names[] = {"read", "write", "execute"};
  if (sigsetjmp(back, 1) == 0) {
    if (what == 0) *(volatile char *)at;
    else if (what == 1) *(volatile char *)at = 1;
    else ((void (*)(void))at)();
    printf("%s %lx: fine\n", names[what], at);
    return;
  }
  printf("%s %lx: signal %d, code %d, address %p, pc %s, error %llx, trap %lld\n", names[what], at,
         information.si_signo, information.si_code, information.si_addr,
         (unsigned long)registers[REG_RIP] == at ? "there" : "before",
         registers[REG_ERR], registers[REG_TRAPNO]);
}

/* Over the end of a page, with or without the one that follows. */
static void try_straddling(char *page) {
  for (int what = 0; what < 2; what++) {
    if (sigsetjmp(back, 1) == 0) {
      if (what == 0) *(volatile long *)(page + 4093);
      else *(volatile long *)(page + 4093) = 1;
    }
    printf("straddling: code %d, offset %ld\n", information.si_code, (char *)information.si_addr - page);
  }
}

int main(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  static const unsigned long user[] = {8, 0x7ffffffff000, 0x7fffffffffff};
  static const unsigned long kernel[] = {0xffff800000000123, 0xffffffff81000123, ~0ul};
  static const unsigned long neither[] = {0x800000000000, 0x80000001dfff, 0xffff7fffffffffff};
  for (int what = 0; what < 3; what++) {
    for (int i = 0; i < 3; i++) try(what, user[i]);
    for (int i = 0; i < 3; i++) try(what, kernel[i]);
    for (int i = 0; i < 3 && what < 2; i++) try(what, neither[i]);
  }
  char *pages = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  try_straddling(pages);
  munmap(pages, 4096);
  try_straddling(pages);
}
