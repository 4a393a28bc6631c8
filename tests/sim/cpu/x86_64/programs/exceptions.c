/* Exceptions one by one: what the signal says, where control was, and what of the instruction was done. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096

/* Of three pages, the middle one is there; the handler can bring the others back. */
static uint8_t *pages;
static uint64_t start, resume;
static int signals, repair;

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
         r[REG_ERR]);
  place("at", r[REG_RIP]);
  place("address", (uint64_t)info->si_addr);
  printf(" rcx %lld", r[REG_RCX]);
  place("rsi", r[REG_RSI]);
  place("rdi", r[REG_RDI]);
  printf(" flags %llx\n", r[REG_EFL] & 0x50dd5 & ~0x10ull);
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

static void strings(int intel) {
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
  BOTH("repe cmpsb", none, none, "repe cmpsb", middle + PAGE - 9, middle + PAGE - 9, 50, 0);
  /* Whether the flags show a comparison that the fault came after is the processor's affair. */
  if (intel) BOTH("repne scasb", none, none, "mov $0x101, %%eax\n repne scasb", middle, middle + PAGE - 2, 50, 0);
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
  OVER("add to memory", "add %%rax, (%%rdi)", 5);
  OVER("lock xadd", "lock xadd %%eax, (%%rdi)", 2);
  OVER("xchg", "xchg %%rax, (%%rdi)", 7);
  OVER("cmpxchg, not equal", "cmpxchg %%rsi, (%%rdi)", 4);
  OVER("bts", "mov $40, %%ecx\n bts %%rcx, (%%rdi)", 4);
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

/* What is stored or loaded piece by piece over the end of a page, with that page, the next or both away. */
static void pieces(void) {
  const int all = PROT_READ | PROT_WRITE;
#define PIECES(name, before, code)                                                       \
  for (int away = 1; away < 4; away++) {                                                 \
    prepare(name, away & 1 ? PROT_NONE : all, PROT_NONE);                                \
    mprotect(pages + PAGE, PAGE, away & 2 ? PROT_NONE : all);                            \
    RUN("vpcmpeqd %%ymm1, %%ymm1, %%ymm1\n fninit\n fld1\n" code "\n fninit\n vzeroupper", 1, pages + PAGE - before, 7, 7); \
    changes();                                                                           \
  }
#define ELEMENT(shift) "mov $-1, %%ebx\n movd %%ebx, %%xmm1\n pslldq $" shift ", %%xmm1\n"
  PIECES("vmaskmovps", 8, "vmaskmovps %%xmm1, %%xmm1, (%%rdi)");
  PIECES("vmaskmovps over the end", 6, "vmaskmovps %%xmm1, %%xmm1, (%%rdi)");
  PIECES("vmaskmovps, first element", 8, ELEMENT("0") "vmaskmovps %%xmm1, %%xmm1, (%%rdi)");
  PIECES("vmaskmovps, third element", 8, ELEMENT("8") "vmaskmovps %%xmm1, %%xmm1, (%%rdi)");
  PIECES("vmaskmovpd", 20, "vmaskmovpd %%ymm1, %%ymm1, (%%rdi)");
  PIECES("vpmaskmovq", 16, "vpmaskmovq %%ymm1, %%ymm1, (%%rdi)");
  PIECES("vmaskmovps loaded", 8, "vmaskmovps (%%rdi), %%xmm1, %%xmm1");
  PIECES("vmaskmovps loaded, third element", 8, ELEMENT("8") "vmaskmovps (%%rdi), %%xmm1, %%xmm1");
  PIECES("maskmovdqu", 8, "maskmovdqu %%xmm1, %%xmm1");
  PIECES("maskmovdqu, upper half over the end", 6, "maskmovdqu %%xmm1, %%xmm1");
  PIECES("maskmovdqu, lower half over the end", 14, "maskmovdqu %%xmm1, %%xmm1");
  PIECES("maskmovdqu of nothing", 8, "pxor %%xmm1, %%xmm1\n maskmovdqu %%xmm1, %%xmm1");
  PIECES("maskmovq", 4, "pcmpeqd %%mm1, %%mm1\n maskmovq %%mm1, %%mm1");
  PIECES("fstpt", 8, "fstpt (%%rdi)");
  PIECES("fstpt over the end", 6, "fstpt (%%rdi)");
  PIECES("fnstenv", 16, "fnstenv (%%rdi)");
  PIECES("fldenv", 16, "fldenv (%%rdi)");
  PIECES("fnsave", 64, "fnsave (%%rdi)");
  PIECES("frstor", 64, "frstor (%%rdi)");
  PIECES("fxsave", 64, "fxsave (%%rdi)");
  PIECES("fxrstor", 64, "fxrstor (%%rdi)");
  PIECES("xsave", 64, "xor %%edx, %%edx\n xsave (%%rdi)");
  PIECES("xsaveopt", 512, "xor %%edx, %%edx\n xsaveopt (%%rdi)");
  PIECES("xsavec", 512, "xor %%edx, %%edx\n xsavec (%%rdi)");
  PIECES("xrstor", 64, "xor %%edx, %%edx\n xrstor (%%rdi)");
  PIECES("cmpxchg8b", 4, "cmpxchg8b (%%rdi)");
  PIECES("rep stosb", 3, "rep stosb");
}

/* Branches to what is not canonical: at the branch, of which nothing was done. */
static void branches(void) {
#define BRANCH(name, code) ONE(name, "movabs $0x8000123456789abc, %%rbx\n" code)
  BRANCH("jmp, not canonical", "jmp *%%rbx");
  BRANCH("jmp through memory, not canonical", "mov %%rbx, (%%rsi)\n jmp *(%%rsi)");
  BRANCH("call, not canonical", "mov %%rdi, %%rsp\n mov %%rsp, %%rsi\n call *%%rbx");
  BRANCH("ret, not canonical", "mov %%rbx, (%%rsi)\n mov %%rsi, %%rsp\n ret");
  BRANCH("ret with arguments, not canonical", "mov %%rbx, (%%rsi)\n mov %%rsi, %%rsp\n ret $16");
  BRANCH("far ret, not canonical", "mov %%rbx, (%%rsi)\n movq $0x33, 8(%%rsi)\n mov %%rsi, %%rsp\n lretq");
  BRANCH("far jump, not canonical", "mov %%rbx, (%%rsi)\n movw $0x33, 8(%%rsi)\n rex.w ljmp *(%%rsi)");
  BRANCH("far call, not canonical", "mov %%rdi, %%rsp\n mov %%rbx, (%%rsi)\n movw $0x33, 8(%%rsi)\n rex.w lcall *(%%rsi)");
  BRANCH("iret, not canonical", "mov %%rbx, (%%rsi)\n movq $0x33, 8(%%rsi)\n movq $0x302, 16(%%rsi)\n"
                                "movq $0, 24(%%rsi)\n movq $0x2b, 32(%%rsi)\n mov %%rsi, %%rsp\n iretq");
  ONE("jmp to the first that is not", "movabs $0x800000000000, %%rbx\n jmp *%%rbx");
  ONE("jmp to the last that is not", "movabs $0xffff7fffffffffff, %%rbx\n jmp *%%rbx");
  ONE("jmp to the kernel's half", "movabs $0xffff800000000000, %%rbx\n jmp *%%rbx");
  ONE("jmp to the last of ours", "movabs $0x7fffffffffff, %%rbx\n jmp *%%rbx");
}

/* Minor faults of a fresh page: one, where what is read is written too. */
static void updates(void) {
#define FAULTS(name, code)                                                               \
  do {                                                                                   \
    struct rusage before, after;                                                         \
    uint8_t *fresh = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); \
    getrusage(RUSAGE_SELF, &before);                                                     \
    __asm__ volatile(code ::"D"(fresh), "c"(0l), "a"(5l), "d"(0l), "b"(0l) : "memory", "cc", "r8"); \
    getrusage(RUSAGE_SELF, &after);                                                      \
    printf("faults of %s: %ld\n", name, after.ru_minflt - before.ru_minflt);             \
    munmap(fresh, 2 * PAGE);                                                             \
  } while (0)
  FAULTS("a load and a store", "mov (%%rdi), %%r8\n mov %%r8, (%%rdi)");
  FAULTS("add", "addl $1, (%%rdi)");
  FAULTS("lock and", "lock andl $-1, (%%rdi)");
  FAULTS("adc over two pages", "adcl $0, 4094(%%rdi)");
  FAULTS("not", "notl (%%rdi)");
  FAULTS("inc", "incb (%%rdi)");
  FAULTS("shl by nothing", "shll %%cl, (%%rdi)");
  FAULTS("rcl by a constant zero", "rcll $0, (%%rdi)");
  FAULTS("shld by nothing", "shldl %%cl, %%eax, (%%rdi)");
  FAULTS("xchg", "xchg %%r8, (%%rdi)");
  FAULTS("xadd", "xadd %%rcx, (%%rdi)");
  FAULTS("cmpxchg, not equal", "cmpxchg %%ecx, (%%rdi)");
  FAULTS("cmpxchg8b, not equal", "cmpxchg8b (%%rdi)");
  FAULTS("cmpxchg16b, not equal", "cmpxchg16b (%%rdi)");
  FAULTS("btc", "btcl $3, (%%rdi)");
  FAULTS("bt", "btl $3, (%%rdi)");
  FAULTS("cmp", "cmpl $3, (%%rdi)");
  FAULTS("push from memory", "push (%%rdi)\n pop %%r8");
  FAULTS("pop to memory", "push %%rax\n pop (%%rdi)");
  FAULTS("movs", "mov %%rdi, %%rsi\n movsb");
  FAULTS("maskmovq", "pcmpeqd %%mm1, %%mm1\n maskmovq %%mm1, %%mm1\n emms");
}

static void raised(int intel) {
  ONE("int3", "int3");
  ONE("int 3 of two bytes", ".byte 0xcd, 3");
  ONE("int 4", ".byte 0xcd, 4");
  ONE("int 0x81", ".byte 0xcd, 0x81");
  /* A virtual machine on others' processors may say that it faults, not traps. */
  if (intel) ONE("int1", ".byte 0xf1");
  ONE("ud2", "ud2");
  ONE("ud1", ".byte 0x0f, 0xb9, 0xc0");
  ONE("ud0", ".byte 0x0f, 0xff, 0xc0");
  ONE("ud0 of memory that is not there", "xor %%ebx, %%ebx\n .byte 0x0f, 0xff, 0x03");
  ONE("into, not in 64 bits", ".byte 0xce");
  ONE("int 1 of two bytes", ".byte 0xcd, 1");
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

int main(int count, char **arguments) {
  int intel = count > 1 && strcmp(arguments[1], "intel") == 0;
  pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t alternate = {.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = 65536};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(all[i], &action, NULL);
  strings(intel);
  stores();
  updates();
  /* Others may fault at other bytes of what is accessed in pieces, and elsewhere at what is not canonical. */
  if (intel) {
    pieces();
    branches();
  }
  raised(intel);
  floating();
  mapped();
  return 0;
}
