/* RFLAGS.TF: where the trap comes after every instruction, and what it says. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct {
  int signal, code;
  long at, address, trap, error, flags, count;
} seen[64];
static int traps;

static void handler(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (traps < 64) {
    seen[traps].signal = signal;
    seen[traps].code = info->si_code;
    seen[traps].at = r[REG_RIP];
    seen[traps].address = (long)info->si_addr;
    seen[traps].trap = r[REG_TRAPNO];
    seen[traps].error = r[REG_ERR];
    seen[traps].flags = r[REG_EFL];
    seen[traps].count = r[REG_RCX];
    traps++;
  }
  /* Past UD2, and past a load of two bytes. */
  if (signal != SIGTRAP) r[REG_RIP] += 2;
}

static void show(const char *name, long start) {
  printf("%s: %d\n", name, traps);
  for (int i = 0; i < traps; i++) {
    const char *address = seen[i].address == seen[i].at ? "pc" : seen[i].address == 0 ? "0" : "?";
    printf("  signal %d code %d at %ld address %s trap %ld error %lx flags %lx rcx %ld\n", seen[i].signal, seen[i].code,
           seen[i].at - start, address, seen[i].trap, seen[i].error, seen[i].flags, seen[i].count);
  }
  traps = 0;
}

char from[64], to[64];

/* The pushes are in a place of their own, so that no flag comes of where the stack is. */
#define SET "push $0x302\n popf\n"
#define CLEAR "push $0x202\n popf\n nop\n nop\n"
#define STEP(name, code)                                                                             \
  do {                                                                                               \
    long start;                                                                                      \
    __asm__ volatile("lea 1f(%%rip), %0\n xor %%ecx, %%ecx\n xor %%eax, %%eax\n" SET "1:" code "\n" CLEAR \
                     : "=&r"(start)::"rax", "rcx", "rdx", "rsi", "rdi", "r11", "memory", "cc");      \
    show(name, start);                                                                               \
  } while (0)

int main(int count, char **arguments) {
  int intel = count > 1 && strcmp(arguments[1], "intel") == 0;
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGTRAP, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  STEP("nop", "nop\n nop");
  STEP("jump and call", "jmp 2f\n nop\n 2: call 3f\n jmp 4f\n 3: ret\n 4: nop");
  STEP("loop", "mov $3, %%ecx\n 2: loop 2b\n jmp 3f\n 3: nop");
  STEP("jump to itself once", "xor %%edx, %%edx\n 2: btc $0, %%edx\n jc 3f\n jmp 2b\n 3: nop");
  STEP("system call", "mov $39, %%eax\n syscall\n xor %%ecx, %%ecx\n nop");
  STEP("two system calls", "mov $39, %%eax\n syscall\n mov $39, %%eax\n syscall\n xor %%ecx, %%ecx");
  STEP("rep movsb of nothing", "rep movsb\n nop");
  /* Between repetitions, RF and what the comparisons did to the flags are the processor's affair. */
  if (intel) {
    STEP("rep movsb", "lea from(%%rip), %%rsi\n lea to(%%rip), %%rdi\n mov $3, %%ecx\n rep movsb\n nop");
    STEP("repe cmpsb", "lea from(%%rip), %%rsi\n lea to(%%rip), %%rdi\n mov $3, %%ecx\n or $1, %%eax\n stc\n repe cmpsb\n nop");
    STEP("repne scasb", "lea to(%%rip), %%rdi\n mov $3, %%ecx\n mov $1, %%al\n cmp %%al, %%al\n repne scasb\n nop");
  }
  STEP("load of ss", "mov %%ss, %%eax\n mov %%eax, %%ss\n nop\n nop");
  STEP("load of ds", "mov %%ds, %%eax\n mov %%eax, %%ds\n nop\n nop");
  STEP("int3", "int3\n nop");
  STEP("int 3 of two bytes", ".byte 0xcd, 3\n nop");
  /* Elsewhere a virtual machine may report it where it is, again and again. */
  if (intel) STEP("int1", ".byte 0xf1\n nop");
  STEP("ud2", "ud2\n nop");
  STEP("page fault", "movb (%%rax), %%al\n nop");
  STEP("popf", "push $0x302\n popf\n nop");
  STEP("popf of 16 bits", "pushfw\n popfw\n nop");
  STEP("pushf", "pushf\n pop %%rax\n nop");
  STEP("iret", "mov %%ss, %%eax\n mov %%rsp, %%rdx\n push %%rax\n push %%rdx\n push $0x302\n mov %%cs, %%eax\n push %%rax\n"
               "lea 2f(%%rip), %%rax\n push %%rax\n iretq\n nop\n 2: nop");
  STEP("cpuid", "push %%rbx\n mov $3, %%eax\n cpuid\n xor %%ecx, %%ecx\n pop %%rbx");
  STEP("rdtsc", "rdtsc\n nop");
  STEP("pause", "pause\n nop");
  STEP("locked", "lock incl from(%%rip)\n nop");
  return 0;
}
