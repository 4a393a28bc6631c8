/*
 * Signal frames both ways: a handler sees every register as it was and changes every one of them; the
 * interrupted code goes on with what the handler left.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

/* What is loaded before the exception and stored after the handler. */
static struct state {
  uint64_t gpr[16]; /* in the order of the encodings; RSP is left alone */
  uint64_t flags;
  uint8_t xsave[4096] __attribute__((aligned(64)));
} before, after;

static void (*change)(ucontext_t *);
static int seen;
/* Whether the last x87 instruction's opcode and addresses are kept: AMD's forget them unless an exception waits. */
static int intel;

/* The first bytes of an FXSAVE area without what the instruction does not write, then YMM's upper halves. */
static void show_vectors(const char *what, const uint8_t *area, int upper) {
  uint64_t sum = 0;
  for (int i = 0; i < 416; i++) {
    if (i >= 6 && i < 24 && !intel) continue;
    /* Of the words at 24, MXCSR's mask differs among processors. */
    if ((i >= 28 && i < 32) || (i >= 32 && i < 160 && (i & 15) > 9)) continue;
    sum = sum * 1099511628211ul + area[i];
  }
  printf("  %s: control %04x status %04x tags %02x opcode %04x mxcsr %04x sum %lx\n", what,
         *(uint16_t *)area, *(uint16_t *)(area + 2), area[4], intel ? *(uint16_t *)(area + 6) : 0,
         *(uint32_t *)(area + 24), sum);
  sum = 0;
  for (int i = 0; i < 256 && upper; i++) sum = sum * 1099511628211ul + area[576 + i];
  printf("  %s: upper halves %lx\n", what, sum);
}

static void handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  greg_t *r = u->uc_mcontext.gregs;
  static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  seen++;
  printf("  signal %d code %d uc_flags %lx flags %lx\n ", signal, info->si_code, u->uc_flags,
         (unsigned long)r[REG_EFL] & 0x240dd5);
  for (int i = 0; i < 16; i++)
    if (i != 4) printf(" %llx", r[order[i]]);
  printf("\n");
  uint8_t *area = (uint8_t *)u->uc_mcontext.fpregs;
  uint64_t present = *(uint64_t *)(area + 512);
  show_vectors("frame", area, (present & 4) != 0);
  r[REG_RIP] += 2;
  if (change) change(u);
  /* The handler's own use of the registers is its own. */
  __asm__ volatile("vpcmpeqd %%ymm7, %%ymm7, %%ymm7\n fninit\n fldpi" ::: "xmm7");
}

/* Load all registers from `before`, raise, store them to `after`. */
__attribute__((noinline)) static void through(void) {
  __asm__ volatile(
      "push %%rbx\n push %%rbp\n push %%r12\n push %%r13\n push %%r14\n push %%r15\n"
      "mov $7, %%eax\n xor %%edx, %%edx\n xrstor64 %1\n"
      "push %2\n popf\n"
      "mov %0, %%rax\n mov 8+%0, %%rcx\n mov 16+%0, %%rdx\n mov 24+%0, %%rbx\n mov 40+%0, %%rbp\n"
      "mov 48+%0, %%rsi\n mov 56+%0, %%rdi\n mov 64+%0, %%r8\n mov 72+%0, %%r9\n mov 80+%0, %%r10\n"
      "mov 88+%0, %%r11\n mov 96+%0, %%r12\n mov 104+%0, %%r13\n mov 112+%0, %%r14\n mov 120+%0, %%r15\n"
      "ud2\n"
      "mov %%rax, %3\n mov %%rcx, 8+%3\n mov %%rdx, 16+%3\n mov %%rbx, 24+%3\n mov %%rbp, 40+%3\n"
      "mov %%rsi, 48+%3\n mov %%rdi, 56+%3\n mov %%r8, 64+%3\n mov %%r9, 72+%3\n mov %%r10, 80+%3\n"
      "mov %%r11, 88+%3\n mov %%r12, 96+%3\n mov %%r13, 104+%3\n mov %%r14, 112+%3\n mov %%r15, 120+%3\n"
      "pushf\n pop %5\n cld\n"
      "mov $7, %%eax\n xor %%edx, %%edx\n xsave64 %4\n fninit\n vzeroall\n"
      "push $0x1f80\n ldmxcsr (%%rsp)\n pop %%rax\n"
      "pop %%r15\n pop %%r14\n pop %%r13\n pop %%r12\n pop %%rbp\n pop %%rbx\n"
      : : "m"(before.gpr), "m"(before.xsave), "m"(before.flags), "m"(after.gpr), "m"(after.xsave), "m"(after.flags)
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static void fill(uint64_t seed) {
  memset(&before, 0, sizeof before);
  memset(&after, 0, sizeof after);
  for (int i = 0; i < 16; i++) before.gpr[i] = seed * (2 * i + 3);
  before.flags = 0xad7; /* carry, parity, adjust, zero, sign, overflow */
  uint8_t *area = before.xsave;
  *(uint16_t *)area = 0x0b7f;            /* 64 bits, up */
  *(uint16_t *)(area + 2) = 0x1900;      /* TOP 3, C0 */
  area[4] = 0xb9;
  *(uint16_t *)(area + 6) = 0x345;
  *(uint64_t *)(area + 8) = 0x123456789abc;
  *(uint64_t *)(area + 16) = 0x76543210fedc;
  *(uint32_t *)(area + 24) = 0x7fa5;     /* to zero, denormals, some exceptions */
  for (int i = 0; i < 8; i++) {
    *(uint64_t *)(area + 32 + 16 * i) = seed * 77 * (i + 1) | 1ul << 63;
    *(uint16_t *)(area + 40 + 16 * i) = 0x3ff0 + i;
  }
  for (int i = 0; i < 32; i++) *(uint64_t *)(area + 160 + 8 * i) = seed * (i + 1001);
  *(uint64_t *)(area + 512) = 7;
  for (int i = 0; i < 32; i++) *(uint64_t *)(area + 576 + 8 * i) = seed * (i + 2003);
}

static void run(const char *name) {
  printf("%s\n", name);
  fflush(stdout);
  through();
  printf("  after: flags %lx", after.flags & 0x240dd5);
  for (int i = 0; i < 16; i++)
    if (i != 4) printf(" %lx", after.gpr[i]);
  printf("\n");
  show_vectors("after", after.xsave, (after.xsave[512] & 4) != 0);
}

static void change_all(ucontext_t *u) {
  for (int i = REG_R8; i <= REG_RCX; i++)
    if (i != REG_RSP) u->uc_mcontext.gregs[i] = ~u->uc_mcontext.gregs[i] * 5;
  u->uc_mcontext.gregs[REG_EFL] ^= 0xcd5;
  uint8_t *area = (uint8_t *)u->uc_mcontext.fpregs;
  *(uint16_t *)area = 0x077f;
  *(uint16_t *)(area + 2) = 0x2a00;
  area[4] = 0x6c;
  *(uint16_t *)(area + 6) = 0x712;
  *(uint64_t *)(area + 8) = 0x3333;
  *(uint32_t *)(area + 24) = 0x3f81;
  for (int i = 32; i < 416; i++)
    if (i >= 160 || (i & 15) < 8) area[i] ^= 0x5a;
  if (*(uint64_t *)(area + 512) & 4)
    for (int i = 576; i < 832; i++) area[i] ^= 0xa5;
}
static void drop_upper(ucontext_t *u) { *(uint64_t *)((uint8_t *)u->uc_mcontext.fpregs + 512) &= ~4ul; }
static void drop_all(ucontext_t *u) { *(uint64_t *)((uint8_t *)u->uc_mcontext.fpregs + 512) = 0; }
static void drop_x87(ucontext_t *u) { *(uint64_t *)((uint8_t *)u->uc_mcontext.fpregs + 512) &= ~1ul; }
static void no_magic(ucontext_t *u) { *(uint32_t *)((uint8_t *)u->uc_mcontext.fpregs + 464) = 0; }
static void no_state(ucontext_t *u) { u->uc_mcontext.fpregs = NULL; }

int main(int count, char **arguments) {
  intel = count > 1 && strcmp(arguments[1], "intel") == 0;
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &action, NULL);
  static const struct {
    const char *name;
    void (*change)(ucontext_t *);
  } all[] = {{"nothing changed", NULL},     {"everything changed", change_all}, {"no upper halves", drop_upper},
             {"initial states", drop_all},  {"initial x87", drop_x87},          {"an FXSAVE area alone", no_magic},
             {"no state at all", no_state}};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    change = all[i].change;
    fill(0x9e3779b97f4a7c15ul * (i + 1));
    run(all[i].name);
  }
  /* Upper halves that are zero are not in use. */
  change = NULL;
  fill(12345);
  memset(before.xsave + 576, 0, 256);
  *(uint64_t *)(before.xsave + 512) = 3;
  run("upper halves not in use");
  printf("%d signals\n", seen);
  return 0;
}
