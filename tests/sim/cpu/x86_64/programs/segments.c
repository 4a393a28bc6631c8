/* Segment registers, what may be asked of descriptors, and far transfers within the code segment. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static void handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  printf("  signal %d code %d trap %lld error %llx\n", signal, info->si_code,
         u->uc_mcontext.gregs[REG_TRAPNO], u->uc_mcontext.gregs[REG_ERR]);
  siglongjmp(back, 1);
}

#define TRY(name, ...)                                                                   \
  do {                                                                                   \
    uint64_t r = 0x1111222233334444;                                                     \
    printf("%s\n", name);                                                                \
    if (sigsetjmp(back, 1) == 0) {                                                       \
      __VA_ARGS__                                                                        \
      printf("  %lx\n", r);                                                              \
    }                                                                                    \
  } while (0)

static void descriptors(void) {
  for (unsigned s = 0; s < 0x100; s++) {
    uint64_t rights = ~0ul, limit = ~0ul;
    uint8_t read, write, rights_known, limit_known;
    if ((s & ~3u) == 0x78) continue; /* Its limit is the processor's number. */
    __asm__ volatile("verr %w1\n setz %0" : "=r"(read) : "r"(s) : "cc");
    __asm__ volatile("verw %w1\n setz %0" : "=r"(write) : "r"(s) : "cc");
    __asm__ volatile("lar %k2, %k1\n setz %0" : "=r"(rights_known), "+r"(rights) : "r"(s) : "cc");
    __asm__ volatile("lsl %k2, %k1\n setz %0" : "=r"(limit_known), "+r"(limit) : "r"(s) : "cc");
    if (!(read | write | rights_known | limit_known)) continue;
    printf("%x: read %d write %d rights %d %lx limit %d %lx\n", s, read, write, rights_known, rights,
           limit_known, limit);
  }
  uint64_t flags;
  __asm__ volatile("xor %%eax, %%eax\n sub $1, %%al\n stc\n verr %%ax\n pushf\n pop %0" : "=r"(flags)::"rax", "cc");
  printf("flags after %lx\n", flags & 0x8d5);
}

static void registers(void) {
  uint16_t cs, ds, es, fs, gs, ss;
  __asm__("mov %%cs, %0" : "=r"(cs));
  __asm__("mov %%ds, %0" : "=r"(ds));
  __asm__("mov %%es, %0" : "=r"(es));
  __asm__("mov %%fs, %0" : "=r"(fs));
  __asm__("mov %%gs, %0" : "=r"(gs));
  __asm__("mov %%ss, %0" : "=r"(ss));
  printf("%x %x %x %x %x %x\n", cs, ds, es, fs, gs, ss);
  static const uint16_t selectors[] = {0, 1, 2, 3, 4, 8, 0x10, 0x18, 0x20, 0x23, 0x28, 0x2b, 0x30, 0x33, 0x38, 0x7b, 0x83, 0xffff};
  for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++) {
    uint64_t s = selectors[i];
    printf("selector %lx\n", s);
    TRY(" ds", __asm__ volatile("mov %w1, %%ds\n mov %%ds, %0" : "=r"(r) : "r"(s)););
    TRY(" es from memory", __asm__ volatile("mov %w1, %%es\n mov %%es, %w0" : "+r"(r) : "m"(s)););
    TRY(" gs", __asm__ volatile("mov %w1, %%gs\n mov %%gs, %k0" : "=r"(r) : "r"(s)););
    TRY(" gs popped", __asm__ volatile("push %1\n pop %%gs\n push %%gs\n pop %0" : "=r"(r) : "r"(s)););
    TRY(" ss", __asm__ volatile("mov %w1, %%ss\n mov %%ss, %0" : "=r"(r) : "r"(s)););
    __asm__ volatile("mov %w0, %%ds\n mov %w0, %%es" ::"r"(0));
  }
  /* A selector in GS takes its base away. */
  static uint64_t word = 0x123456;
  syscall(SYS_arch_prctl, 0x1001, &word);
  TRY("gs base", __asm__ volatile("mov %%gs:0, %0" : "=r"(r)););
  TRY("gs base after a selector", __asm__ volatile("mov %w1, %%gs\n mov %%gs:0, %0" : "=r"(r) : "r"(0x2b)););
}

static void transfers(int intel) {
  TRY("retfq", __asm__ volatile("push $0x33\n lea 1f(%%rip), %%rax\n push %%rax\n lretq\n ud2\n 1: mov $1, %0" : "=r"(r)::"rax"););
  TRY("retfq of arguments", __asm__ volatile("mov %%rsp, %%rcx\n push $7\n push $8\n push $0x33\n lea 1f(%%rip), %%rax\n push %%rax\n lretq $16\n ud2\n"
                                             "1: sub %%rsp, %%rcx\n mov %%rcx, %0" : "=r"(r)::"rax", "rcx"););
  TRY("retfq elsewhere", __asm__ volatile("push $0x1234\n push $0\n lretq" : "+r"(r)););
  TRY("iretq", __asm__ volatile("mov %%rsp, %%rcx\n push $0x2b\n push %%rcx\n push $0x8d7\n push $0x33\n lea 1f(%%rip), %%rax\n push %%rax\n iretq\n ud2\n"
                                "1: pushf\n pop %0" : "=r"(r)::"rax", "rcx", "cc"););
  TRY("iretq, another stack segment", __asm__ volatile("mov %%rsp, %%rcx\n push $0x33\n push %%rcx\n push $0x2\n push $0x33\n push %%rcx\n iretq" : "+r"(r)::"rcx"););
  if (!intel) return; /* AMD's offsets have 32 bits even with REX.W. */
  static struct {
    uint64_t offset;
    uint16_t selector;
  } __attribute__((packed)) pointer = {0, 0x33};
  TRY("jmp far", __asm__ volatile("lea 1f(%%rip), %%rax\n mov %%rax, %1\n rex.w ljmp *%1\n ud2\n 1: mov $2, %0" : "=r"(r), "+m"(pointer)::"rax"););
  TRY("call far", __asm__ volatile("lea 1f(%%rip), %%rax\n mov %%rax, %1\n rex.w lcall *%1\n jmp 2f\n 1: mov 8(%%rsp), %0\n lretq\n 2:" : "=r"(r), "+m"(pointer)::"rax"););
  pointer.selector = 0x10;
  TRY("jmp far to the kernel", __asm__ volatile("rex.w ljmp *%1" : "+r"(r) : "m"(pointer)););
}

int main(int count, char **arguments) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  int all[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  for (int i = 0; i < 4; i++) sigaction(all[i], &action, NULL);
  descriptors();
  registers();
  transfers(count > 1 && strcmp(arguments[1], "intel") == 0);
  return 0;
}
