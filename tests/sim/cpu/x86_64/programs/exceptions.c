/* Exceptions one by one: what the signal says, where control was, and what of the instruction was done. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096

/* Of three pages, the middle one is there; the handler can bring the others back. */
static uint8_t *pages;
static uint64_t start, resume;
static int signals, repair;
/*
 * Where processors differ from the machine, or from each other: the write bit of a page fault's error code at
 * what reads before it writes; the byte that a masked store is said to fault at; the flags that an interrupted
 * comparison of strings leaves.
 */
static int any_write, any_byte, any_flags;

static void place(const char *what, uint64_t address) {
  int64_t offset = (int64_t)(address - (uint64_t)pages);
  int64_t code = (int64_t)(address - start);
  if (offset >= -64 && offset <= 3 * PAGE) printf(" %s pages+%ld", what, offset);
  else if (code >= -16 && code < 64) printf(" %s code+%ld", what, code);
  else printf(" %s %lx", what, address);
}

static void handler(int signal, siginfo_t *info, void *context) {
  /* Alignment checks go on in handlers. */
  __asm__ volatile("pushf\n andl $~0x40000, (%%rsp)\n popf" ::: "cc");
  ucontext_t *u = context;
  greg_t *r = u->uc_mcontext.gregs;
  signals++;
  printf("  signal %d code %d trap %lld error %llx", signal, info->si_code, r[REG_TRAPNO],
         r[REG_ERR] & (any_write ? ~2ll : ~0ll));
  place("at", r[REG_RIP]);
  place("address", (uint64_t)info->si_addr & (any_byte ? -PAGE : -1ul));
  printf(" rcx %lld", r[REG_RCX]);
  place("rsi", r[REG_RSI]);
  place("rdi", r[REG_RDI]);
  printf(" flags %llx\n", any_flags ? 0 : r[REG_EFL] & 0x40dd5 & ~0x10ull);
  if (repair) {
    mprotect(pages, 3 * PAGE, PROT_READ | PROT_WRITE);
    repair = 0;
  } else r[REG_RIP] = resume;
  r[REG_EFL] &= ~0x40100ull;
}

/* How often each byte value of the middle pages was changed from its pattern. */
static void changes(void) {
  mprotect(pages, 3 * PAGE, PROT_READ | PROT_WRITE);
  int count = 0, first = -1, last = -1;
  for (int i = 0; i < 3 * PAGE; i++) {
    if (pages[i] == (uint8_t)(i * 7 + (i >> 8))) continue;
    if (first < 0) first = i;
    last = i;
    count++;
  }
  printf("  changed %d bytes", count);
  if (count) printf(", %d to %d, sum", first, last);
  uint64_t sum = 0;
  for (int i = 0; i < 3 * PAGE; i++) sum = sum * 31 + pages[i];
  printf(" %lx\n", sum);
}

static void prepare(const char *name, int first, int last) {
  mprotect(pages, 3 * PAGE, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 3 * PAGE; i++) pages[i] = i * 7 + (i >> 8);
  mprotect(pages, PAGE, first);
  mprotect(pages + 2 * PAGE, PAGE, last);
  signals = 0;
  printf("%s\n", name);
}

static uint8_t area[4096] __attribute__((aligned(64)));

/* Runs `code` with RSI, RDI, RCX and RAX as given; afterwards RSP, RBP and the direction flag are right. */
#define RUN(code, rsi, rdi, rcx, rax)                                                    \
  do {                                                                                   \
    uint64_t si = (uint64_t)(rsi), di = (uint64_t)(rdi), cx = (rcx), ax = (rax);         \
    fflush(stdout);                                                                      \
    __asm__ volatile(                                                                    \
        "mov %%rsp, %%r15\n mov %%rbp, %%r13\n sub $512, %%rsp\n lea 8f(%%rip), %%r14\n mov %%r14, %4\n"    \
        "lea 9f(%%rip), %%r14\n mov %%r14, %5\n test %%eax, %%eax\n"                     \
        "pxor %%xmm0, %%xmm0\n 8: " code "\n 9: cld\n mov %%r15, %%rsp\n mov %%r13, %%rbp\n"                                      \
        : "+S"(si), "+D"(di), "+c"(cx), "+a"(ax), "=m"(start), "=m"(resume) : [area] "m"(area) \
        : "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0", \
          "xmm1", "st");                                                                 \
    printf("  %d signals; rcx %ld rax %lx", signals, cx, ax);                            \
    place("rsi", si);                                                                    \
    place("rdi", di);                                                                    \
    printf("\n");                                                                        \
  } while (0)

#define BOTH(name, first, last, code, rsi, rdi, rcx, rax)                                \
  do {                                                                                   \
    prepare(name, first, last);                                                          \
    RUN(code, rsi, rdi, rcx, rax);                                                       \
    changes();                                                                           \
    prepare(name ", repaired", first, last);                                             \
    repair = 1;                                                                          \
    RUN(code, rsi, rdi, rcx, rax);                                                       \
    repair = 0;                                                                          \
    changes();                                                                           \
  } while (0)

#define ONE(name, code)                                                                  \
  do {                                                                                   \
    prepare(name, PROT_NONE, PROT_NONE);                                                 \
    RUN(code, pages + PAGE + 64, pages + PAGE + 128, 3, 5);                              \
    changes();                                                                           \
  } while (0)

static void strings(void) {
  uint8_t *middle = pages + PAGE;
  const int none = PROT_NONE, read = PROT_READ, all = PROT_READ | PROT_WRITE;
  BOTH("rep movsb, destination ends", none, none, "rep movsb", middle, middle + PAGE - 100, 300, 1);
  BOTH("rep movsb, source ends", none, none, "rep movsb", middle + PAGE - 37, middle, 300, 1);
  BOTH("rep movsb, read-only", none, read, "rep movsb", middle, middle + PAGE - 5, 300, 1);
  BOTH("rep movsb down", none, none, "std\n rep movsb", middle + 2000, middle + 50, 100, 1);
  BOTH("rep movsw", none, none, "rep movsw", middle, middle + PAGE - 99, 80, 1);
  BOTH("rep movsl", none, none, "rep movsl", middle, middle + PAGE - 50, 20, 1);
  BOTH("rep movsq", none, none, "rep movsq", middle + 8, middle + PAGE - 64, 20, 1);
  BOTH("rep movsq over the end", none, none, "rep movsq", middle + 8, middle + PAGE - 60, 20, 1);
  BOTH("rep stosb", none, none, "rep stosb", middle, middle + PAGE - 333, 500, 0xab);
  BOTH("rep stosq", none, none, "rep stosq", middle, middle + PAGE - 804, 200, 0x123456789abcdef);
  BOTH("rep stosl down", none, none, "std\n rep stosl", middle, middle + 41, 30, 0x89abcdef);
  BOTH("rep lodsb", none, none, "rep lodsb", middle + PAGE - 3, middle, 10, 0);
  BOTH("rep lodsq", none, none, "rep lodsq", middle + PAGE - 20, middle, 10, 0);
  any_flags = 1;
  BOTH("repe cmpsb", none, none, "repe cmpsb", middle + PAGE - 9, middle + PAGE - 9, 50, 0);
  BOTH("repne scasb", none, none, "mov $0x101, %%eax\n repne scasb", middle, middle + PAGE - 2, 50, 0);
  any_flags = 0;
  BOTH("movsq alone", none, none, "movsq", middle, middle + PAGE - 4, 5, 0);
  BOTH("within", all, all, "rep movsb", middle - 100, middle + PAGE - 100, 200, 0);
}

static void stores(void) {
  uint8_t *end = pages + 2 * PAGE;
  const int none = PROT_NONE, read = PROT_READ;
#define OVER(name, code, before)                                                         \
  BOTH(name, none, none, code, pages + PAGE, end - before, 7, 0x1122334455667788);       \
  BOTH(name ", read-only", none, read, code, pages + PAGE, end - before, 7, 0x1122334455667788)
  OVER("movq", "mov %%rax, (%%rdi)", 3);
  OVER("movw", "mov %%ax, (%%rdi)", 1);
  OVER("movups", "movups (%%rsi), %%xmm0\n movups %%xmm0, (%%rdi)", 9);
  OVER("vmovups", "vmovups (%%rsi), %%ymm0\n vmovups %%ymm0, (%%rdi)\n vzeroupper", 15);
  any_byte = 1;
  OVER("vmaskmovps", "vpcmpeqd %%ymm1, %%ymm1, %%ymm1\n vmaskmovps %%ymm1, %%ymm1, (%%rdi)\n vzeroupper", 12);
  OVER("maskmovdqu", "pcmpeqd %%xmm1, %%xmm1\n maskmovdqu %%xmm1, %%xmm1", 12);
  any_byte = 0;
  any_write = 1;
  OVER("add to memory", "add %%rax, (%%rdi)", 5);
  OVER("lock xadd", "lock xadd %%eax, (%%rdi)", 2);
  OVER("xchg", "xchg %%rax, (%%rdi)", 7);
  OVER("cmpxchg, not equal", "cmpxchg %%rsi, (%%rdi)", 4);
  OVER("bts", "mov $40, %%ecx\n bts %%rcx, (%%rdi)", 4);
  any_write = 0;
  OVER("fstpt", "fldpi\n fstpt (%%rdi)\n fninit", 4);
  OVER("fistpll", "fldpi\n fistpll (%%rdi)\n fninit", 4);
  OVER("movbe", "movbe %%rax, (%%rdi)", 2);
  OVER("pop to memory", "push %%rax\n pop (%%rdi)", 4);
  OVER("push", "mov %%rdi, %%rsp\n push %%rax", 4 - 8);
  OVER("call", "mov %%rdi, %%rsp\n call 1f\n 1: nop", 4 - 8);
  OVER("enter", "mov %%rdi, %%rsp\n mov $0x7777, %%ebp\n enter $32, $0", 4 - 8);
  OVER("stmxcsr", "stmxcsr (%%rdi)", 2);
  OVER("movntdq", "movntdq %%xmm0, (%%rdi)", 16 - 16);
}

static void raised(void) {
  ONE("int3", "int3");
  ONE("int 3 of two bytes", ".byte 0xcd, 3");
  ONE("int 4", ".byte 0xcd, 4");
  ONE("int 0x81", ".byte 0xcd, 0x81");
  ONE("int1", ".byte 0xf1");
  ONE("ud2", "ud2");
  ONE("ud1", ".byte 0x0f, 0xb9, 0xc0");
  ONE("push es, not in 64 bits", ".byte 6");
  ONE("lock without memory", ".byte 0xf0, 0x01, 0xc0");
  ONE("sixteen bytes", ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90");
  ONE("divide by zero", "xor %%edx, %%edx\n xor %%ebx, %%ebx\n div %%rbx");
  ONE("quotient too large", "mov $5, %%edx\n mov $3, %%ebx\n div %%rbx");
  ONE("idiv of the least", "mov $0x80000000, %%eax\n cltd\n mov $-1, %%ebx\n idiv %%ebx");
  ONE("idiv of bytes", "mov $0x8000, %%eax\n mov $1, %%bl\n idiv %%bl");
  ONE("hlt", "hlt");
  ONE("cli", "cli");
  ONE("in", "in $0x40, %%al");
  ONE("out", "out %%al, %%dx");
  ONE("rdmsr", "rdmsr");
  ONE("mov cr0", "mov %%cr0, %%rbx");
  ONE("mov dr7", "mov %%dr7, %%rbx");
  ONE("invlpg", "invlpg (%%rsi)");
  ONE("lgdt", "lgdt (%%rsi)");
  ONE("wbinvd", "wbinvd");
  ONE("clts", "clts");
  ONE("ltr", "xor %%ebx, %%ebx\n ltr %%bx");
  ONE("selector beyond the table", "mov $0x1233, %%ebx\n mov %%ebx, %%ds");
  ONE("stack selector zero", "xor %%ebx, %%ebx\n mov %%ebx, %%ss");
  ONE("movaps not aligned", "movaps 8(%%rsi), %%xmm0");
  ONE("movaps stored not aligned", "movaps %%xmm0, 4(%%rsi)");
  ONE("addps not aligned", "addps 4(%%rsi), %%xmm0");
  ONE("cmpxchg16b not aligned", "cmpxchg16b 8(%%rsi)");
  ONE("fxsave not aligned", "fxsave 8+%[area]");
  ONE("vmovdqa not aligned", "vmovdqa 16(%%rsi), %%ymm0");
  ONE("ldmxcsr of reserved bits", "movl $-1, (%%rsi)\n ldmxcsr (%%rsi)");
  ONE("not canonical", "movabs $0x800000000000, %%rbx\n mov (%%rbx), %%rax");
  ONE("not canonical by the stack", "movabs $0x800000000000, %%rsp\n push %%rax");
  ONE("not canonical by rbp", "movabs $0x900000000000, %%rbp\n mov (%%rbp), %%rax");
  ONE("jump to data", "jmp *%%rsi");
  ONE("jump to nothing", "lea -4096(%%rsi), %%rsi\n jmp *%%rsi");
  ONE("null", "mov (0), %%rax");
  ONE("kernel's half", "mov -8, %%rax");
}

static void floating(void) {
#define X87(name, control, code)                                                         \
  ONE("x87 " name, "fninit\n push $" control "\n fldcw (%%rsp)\n pop %%rbx\n" code "\n nop\n fwait\n nop\n fninit")
  X87("invalid", "0x37e", "fldz\n fdiv %%st, %%st");
  X87("stack", "0x37e", "fld %%st(3)");
  X87("denormal", "0x37d", "movq $1, (%%rsi)\n fldl (%%rsi)");
  X87("zero divide", "0x37b", "fldz\n fld1\n fdivp");
  X87("overflow", "0x377", "mov $1023, %%ebx\n mov %%ebx, (%%rsi)\n fildl (%%rsi)\n fld1\n fscale\n fld1\n fscale\n fmul %%st(1)\n fstpl (%%rdi)");
  X87("underflow", "0x36f", "movabs $1, %%rbx\n mov %%rbx, (%%rsi)\n movl $1, 8(%%rsi)\n fldt (%%rsi)\n fstpl (%%rdi)");
  X87("inexact", "0x35f", "fldpi\n fstpl (%%rdi)");
  X87("reported by the next", "0x37b", "fldz\n fld1\n fdivp\n mov $1, %%ebx\n fld1");
#define SSE(name, control, code)                                                         \
  ONE("sse " name, "push $" control "\n ldmxcsr (%%rsp)\n pop %%rbx\n" code "\n push $0x1f80\n ldmxcsr (%%rsp)\n pop %%rbx")
  SSE("invalid", "0x1f00", "xorps %%xmm0, %%xmm0\n divss %%xmm0, %%xmm0");
  SSE("denormal", "0x1e80", "movq $1, (%%rsi)\n movsd (%%rsi), %%xmm0\n addsd %%xmm0, %%xmm0");
  SSE("zero divide", "0x1d80", "mov $1, %%ebx\n cvtsi2ss %%ebx, %%xmm0\n xorps %%xmm1, %%xmm1\n divss %%xmm1, %%xmm0");
  SSE("overflow", "0x1b80", "movl $0x7f7fffff, (%%rsi)\n movss (%%rsi), %%xmm0\n mulss %%xmm0, %%xmm0");
  SSE("underflow", "0x1780", "movl $0x00800001, (%%rsi)\n movss (%%rsi), %%xmm0\n mulss %%xmm0, %%xmm0");
  SSE("inexact", "0x0f80", "mov $0x1000001, %%ebx\n cvtsi2ss %%ebx, %%xmm0");
  SSE("two of four", "0x1f00", "movups (%%rsi), %%xmm0\n xorps %%xmm1, %%xmm1\n divps %%xmm1, %%xmm1\n movups %%xmm0, (%%rdi)");
}

static void mapped(void) {
  char name[] = "/tmp/exceptions-XXXXXX";
  int file = mkstemp(name);
  if (file < 0 || write(file, "isthmus", 7) != 7) return;
  unlink(name);
  uint8_t *old = pages;
  uint8_t *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  pages = at;
  signals = 0;
  printf("beyond the end of a file\n");
  RUN("mov 7(%%rdi), %%al\n mov %%al, (%%rsi)", at + PAGE + 16, at, 1, 2);
  RUN("mov (%%rsi), %%eax", at + PAGE - 2, at, 1, 2);
  pages = old;
}

int main(void) {
  pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t alternate = {.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = 65536};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(all[i], &action, NULL);
  strings();
  stores();
  raised();
  floating();
  mapped();
  return 0;
}
