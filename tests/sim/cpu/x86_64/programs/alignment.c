/* RFLAGS.AC: which accesses at which addresses raise SIGBUS. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static int signals;
static char *page;
static struct {
  int signal, code;
  long address, trap, error, flags;
} last;

/* The flag stays set in a handler. */
void inner(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  signals++;
  last.signal = signal;
  last.code = info->si_code;
  last.address = (long)info->si_addr;
  last.trap = r[REG_TRAPNO];
  last.error = r[REG_ERR];
  last.flags = r[REG_EFL] & 0x50302;
  r[REG_EFL] &= ~0x40000l;
  r[REG_RIP] = r[REG_R15];
  r[REG_RSP] = r[REG_R14];
}
__attribute__((naked)) static void handler(int signal, siginfo_t *info, void *context) {
  __asm__("pushf\n andl $~0x40000, (%rsp)\n popf\n jmp inner");
}

#define SET "pushf\n orl $0x40000, (%%rsp)\n popf\n"
#define CLEAR "pushf\n andl $~0x40000, (%%rsp)\n popf\n"
#define RUN(at, text)                                                                                       \
  __asm__ volatile("lea 9f(%%rip), %%r15\n mov %%rsp, %%r14\n mov %%rbp, %%r12\n" SET text                  \
                   "\n 9: mov %%r14, %%rsp\n mov %%r12, %%rbp\n cld\n fninit\n" CLEAR                       \
                   : "+r"(at)::"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r12", "r14", "r15", "memory", \
                     "cc", "xmm0", "xmm1", "xmm2")

/* One letter for each offset: a dot for none, A for an alignment check, G for a protection fault. */
#define AT(name, text)                                                                                      \
  do {                                                                                                      \
    printf("%-22s ", name);                                                                                 \
    for (int offset = 0; offset <= 16; offset++) {                                                          \
      memset(page, 0, 4096);                                                                                \
      signals = 0;                                                                                          \
      char *p = page + 64 + offset;                                                                         \
      RUN(p, text);                                                                                         \
      int checked = last.signal == SIGBUS && last.code == BUS_ADRALN && last.address == 0 && last.trap == 17 && \
                    last.error == 0 && (last.flags & 0x50000) == 0x50000;                                   \
      putchar(signals == 0 ? '.' : checked ? 'A' : last.signal == SIGSEGV ? 'G' : '?');                     \
    }                                                                                                       \
    printf("\n");                                                                                           \
  } while (0)

#define ONE(name, where, text)                                                                            \
  do {                                                                                                      \
    char *p = (char *)(where);                                                                            \
    signals = 0;                                                                                            \
    RUN(p, text);                                                                                           \
    printf("%s: %d signals, %d %d trap %ld flags %lx\n", name, signals, last.signal, last.code, last.trap, last.flags); \
  } while (0)

int main(int count, char **arguments) {
  stack_t alternate = {.ss_sp = mmap(NULL, 65536, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = 65536};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  page = mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  AT("movb", "mov (%0), %%al");
  AT("movw", "mov (%0), %%ax");
  AT("movl", "mov (%0), %%eax");
  AT("movq", "mov (%0), %%rax");
  AT("movw stored", "mov %%ax, (%0)");
  AT("movl stored", "mov %%eax, (%0)");
  AT("movq stored", "mov %%rax, (%0)");
  AT("addq", "addq $1, (%0)");
  AT("lock addl", "lock addl $1, (%0)");
  AT("xchg", "xchg %%rax, (%0)");
  AT("cmpxchg8b", "cmpxchg8b (%0)");
  AT("cmpxchg16b", "cmpxchg16b (%0)");
  AT("push", "mov %0, %%rsp\n push %%rax");
  AT("push of 16 bits", "mov %0, %%rsp\n push %%ax");
  AT("pop", "mov %0, %%rsp\n pop %%rax");
  AT("pushf", "mov %0, %%rsp\n pushf");
  AT("call", "mov %0, %%rsp\n call 7f\n 7:");
  AT("enter", "mov %0, %%rsp\n enter $0, $0");
  AT("leave", "mov %0, %%rbp\n leave");
  AT("pop to memory", "push $1\n pop (%0)");
  AT("movsq", "mov %0, %%rsi\n lea 1024(%0), %%rdi\n and $-8, %%rdi\n movsq");
  AT("rep movsb", "mov %0, %%rsi\n lea 1024(%0), %%rdi\n mov $64, %%ecx\n rep movsb");
  AT("rep stosq", "mov %0, %%rdi\n mov $8, %%ecx\n rep stosq");
  AT("btsq", "btsq $1, (%0)");
  AT("btl by register", "mov $33, %%eax\n bt %%eax, (%0)");
  AT("flds", "flds (%0)");
  AT("fldl", "fldl (%0)");
  AT("fldt", "fldt (%0)");
  AT("fstpt", "fld1\n fstpt (%0)");
  AT("filds", "filds (%0)");
  AT("fbstp", "fldz\n fbstp (%0)");
  AT("fldcw", "fldcw (%0)");
  AT("fnstenv", "fnstenv (%0)");
  AT("fldenv", "fldenv (%0)\n fninit");
  AT("fnsave", "fnsave (%0)");
  AT("fnstenv of 16 bits", "data16 fnstenv (%0)");
  AT("stmxcsr", "stmxcsr (%0)");
  AT("movaps", "movaps (%0), %%xmm0");
  AT("movq to a vector", "movq (%0), %%xmm0");
  AT("movss", "movss (%0), %%xmm0");
  AT("movhps stored", "movhps %%xmm0, (%0)");
  AT("cvtps2pd", "cvtps2pd (%0), %%xmm0");
  AT("pinsrw", "pinsrw $1, (%0), %%xmm0");
  AT("pmovzxbq", "pmovzxbq (%0), %%xmm0");
  AT("punpcklbw of mmx", "punpcklbw (%0), %%mm0");
  AT("vbroadcastss", "vbroadcastss (%0), %%xmm0\n vzeroupper");
  AT("movnti", "movnti %%rax, (%0)");
  AT("movbe", "movbe (%0), %%rax");
  AT("mov of ds", "movw %%ds, (%0)");
  AT("prefetch, lea, nop", "prefetcht0 (%0)\n lea (%0), %%rax\n nopl (%0)");
  ONE("kernel's half", -7, "mov (%0), %%eax");
  ONE("not canonical", 0x8000000000000001, "mov (%0), %%eax");
  mprotect(page + 4096, 4096, PROT_NONE);
  ONE("nothing there", page + 4097, "mov (%0), %%eax");
  ONE("over the end", page + 4094, "mov (%0), %%eax");
  ONE("the flag is gone again", page + 1, "mov (%0), %%eax\n" CLEAR "mov (%0), %%eax\n" SET);
  /* What the manual leaves to the processor. */
  if (count > 1 && strcmp(arguments[1], "intel") == 0) {
    AT("fxsave", "fxsave (%0)");
    AT("xsave", "mov $7, %%eax\n xor %%edx, %%edx\n xsave (%0)");
    AT("movups", "movups (%0), %%xmm0");
    AT("movdqu stored", "movdqu %%xmm0, (%0)");
    AT("lddqu", "lddqu (%0), %%xmm0");
    AT("vaddps", "vaddps (%0), %%xmm0, %%xmm0");
    AT("vmovdqu", "vmovdqu (%0), %%ymm0\n vzeroupper");
    AT("vpmovzxbw", "vpmovzxbw (%0), %%ymm0\n vzeroupper");
    AT("vcvtph2ps", "vcvtph2ps (%0), %%xmm0");
    AT("vmaskmovps", "vpcmpeqd %%xmm1, %%xmm1, %%xmm1\n vmaskmovps (%0), %%xmm1, %%xmm0");
    AT("vmaskmovpd stored", "vpcmpeqd %%xmm1, %%xmm1, %%xmm1\n vmaskmovpd %%xmm0, %%xmm1, (%0)");
    AT("vpgatherdq", "vpcmpeqd %%xmm1, %%xmm1, %%xmm1\n vpxor %%xmm2, %%xmm2, %%xmm2\n vpgatherdq %%xmm1, (%0,%%xmm2), %%xmm0");
    AT("maskmovdqu", "pcmpeqd %%xmm1, %%xmm1\n mov %0, %%rdi\n maskmovdqu %%xmm1, %%xmm0");
    AT("maskmovq", "pcmpeqd %%mm1, %%mm1\n mov %0, %%rdi\n maskmovq %%mm1, %%mm0");
    AT("sldt", "sldt (%0)");
  }
  return 0;
}
