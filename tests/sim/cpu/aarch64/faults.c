/*
 * Faults of single instructions: each is run in a page of its own with an address in x3, and what the
 * handler sees is printed. At the end, a handler that gives the program all registers anew.
 */
#define _GNU_SOURCE
#include <asm/sigcontext.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static char *code, *data, *constant, *file;
static const char *name;
/* Bytes of a place, and of its neighbour, which is not mapped, or not to be accessed. */
enum { PAGE = 4096, BOTH = 8192 };

static unsigned long syndrome(ucontext_t *context) {
  struct _aarch64_ctx *record = (void *)context->uc_mcontext.__reserved;
  for (; record->magic != 0; record = (void *)((char *)record + record->size))
    if (record->magic == ESR_MAGIC) return ((struct esr_context *)record)->esr;
  return 0;
}

static void place(uintptr_t address) {
  const struct { const char *name; char *at; } places[] = {
      {"code", code}, {"data", data}, {"constant", constant}, {"file", file}};
  for (int i = 0; i < 4; i++)
    if (address - (uintptr_t)places[i].at < BOTH) {
      printf("%s+%lu", places[i].name, address - (uintptr_t)places[i].at);
      return;
    }
  printf("%lx", address);
}

static void report(int signal, siginfo_t *info, void *frame) {
  ucontext_t *context = frame;
  mcontext_t *machine = &context->uc_mcontext;
  printf("%s: signal %d code %d at ", name, signal, info->si_code);
  place((uintptr_t)info->si_addr);
  printf(", pc ");
  place(machine->pc);
  printf(", x1 %llx x2 %llx x3 %llx ", machine->regs[1], machine->regs[2], machine->regs[3] >> 56);
  place(machine->regs[3] << 8 >> 8);
  printf(" | syndrome %lx %s\n", syndrome(context),
         machine->fault_address == (uintptr_t)info->si_addr ? "same"
         : machine->fault_address == 0                      ? "none"
                                                            : "other");
  machine->pc = machine->regs[30];
  if (strncmp(name, "sp ", 3) == 0) machine->sp = machine->regs[4];
}

static void call(void *target, void *address) {
  register uint64_t x1 __asm__("x1") = 0x1111, x2 __asm__("x2") = 0x2222;
  register void *x3 __asm__("x3") = address, *x9 __asm__("x9") = target;
  __asm__ volatile("blr x9"
                   : "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x9)
                   :
                   : "x4", "x5", "x30", "v0", "v1", "v2", "v3", "memory", "cc");
}

static void run(const char *what, uint32_t word, void *address) {
  uint32_t *at = (uint32_t *)code;
  name = what;
  at[0] = word;
  at[1] = 0xd65f03c0; /* ret */
  __builtin___clear_cache(code, code + 8);
  call(code, address);
}

/* The same with the address in sp. */
static void stacked(const char *what, uint32_t word, void *address) {
  uint32_t *at = (uint32_t *)code;
  name = what;
  at[0] = 0x910003e4; /* mov x4, sp */
  at[1] = 0x9100007f; /* mov sp, x3 */
  at[2] = word;
  at[3] = 0x9100009f; /* mov sp, x4 */
  at[4] = 0xd65f03c0; /* ret */
  __builtin___clear_cache(code, code + 20);
  call(code, address);
}

static void pattern(int signal, siginfo_t *info, void *frame) {
  (void)signal;
  (void)info;
  mcontext_t *machine = &((ucontext_t *)frame)->uc_mcontext;
  struct fpsimd_context *vectors = (void *)machine->__reserved;
  uint64_t sum = 0;
  for (int i = 0; i < 31; i++) {
    sum = sum * 31 + (i == 19 || i == 20 ? 0 : machine->regs[i]);
    if (i != 19 && i != 20) machine->regs[i] = 0x0101010101010101ul * i;
  }
  for (int i = 0; i < 32; i++) {
    uint64_t *halves = (uint64_t *)&vectors->vregs[i];
    sum = sum * 31 + halves[0] * 3 + halves[1];
    halves[0] = 0x1000000000000000ul + i;
    halves[1] = 0x2000000000000000ul + i;
  }
  printf("seen %lx nzcv %llx fpsr %x fpcr %x\n", sum, machine->pstate >> 28, vectors->fpsr,
         vectors->fpcr);
  machine->sp = machine->regs[20];
  machine->pstate = (machine->pstate & 0xffffffful) | 0xa0000000ul;
  vectors->fpcr = 0x00400000;
  vectors->fpsr = 0x08000011;
  machine->pc += 4;
}

/* Known values in all registers, a breakpoint, and all of them as they are after it, into *x0. */
void everything(uint64_t *after);
__asm__(
    "everything: stp x29, x30, [sp, #-96]!\n stp x19, x20, [sp, #16]\n stp x21, x22, [sp, #32]\n"
    "stp x23, x24, [sp, #48]\n stp x25, x26, [sp, #64]\n stp x27, x28, [sp, #80]\n"
    "mov x19, x0\n sub x20, sp, #256\n"
    "mov x0, #0xf0000000\n msr nzcv, x0\n"
    "mov x0, #0x01000000\n msr fpcr, x0\n mov x0, #0x10\n msr fpsr, x0\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,21,22,23,24,25,26,27,28,29,30\n"
    "mov x\\n, #\\n\n .endr\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "movi v\\n\\().16b, #\\n\n .endr\n"
    "brk #7\n"
    "stp x0, x1, [x19], #16\n stp x2, x3, [x19], #16\n stp x4, x5, [x19], #16\n"
    "stp x6, x7, [x19], #16\n stp x8, x9, [x19], #16\n stp x10, x11, [x19], #16\n"
    "stp x12, x13, [x19], #16\n stp x14, x15, [x19], #16\n stp x16, x17, [x19], #16\n"
    "stp x18, x21, [x19], #16\n stp x22, x23, [x19], #16\n stp x24, x25, [x19], #16\n"
    "stp x26, x27, [x19], #16\n stp x28, x29, [x19], #16\n"
    "mov x0, sp\n sub x0, x0, x20\n mrs x1, nzcv\n mrs x2, fpcr\n mrs x3, fpsr\n"
    "stp x30, x0, [x19], #16\n stp x1, x2, [x19], #16\n stp x3, xzr, [x19], #16\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "str q\\n, [x19], #16\n .endr\n"
    "add sp, x20, #256\n msr fpcr, xzr\n"
    "ldp x19, x20, [sp, #16]\n ldp x21, x22, [sp, #32]\n ldp x23, x24, [sp, #48]\n"
    "ldp x25, x26, [sp, #64]\n ldp x27, x28, [sp, #80]\n ldp x29, x30, [sp], #96\n ret\n");

static void changed(void) {
  static uint64_t after[34 + 64];
  everything(after);
  for (unsigned i = 0; i < sizeof after / sizeof *after; i++)
    printf("%lx%c", after[i], i % 8 == 7 ? '\n' : ' ');
  printf("\n");
}

static void handle(void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &action, 0);
}

static long last(void) {
  long value;
  memcpy(&value, data + PAGE - 8, 8);
  memset(data + PAGE - 32, 0xee, 32);
  return value;
}

int main(void) {
  static char alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, 0);
  setvbuf(stdout, 0, _IONBF, 0);
  handle(report);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  code = mmap(0, BOTH, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
  data = mmap(0, BOTH, PROT_READ | PROT_WRITE, flags, -1, 0);
  munmap(data + PAGE, PAGE);
  constant = mmap(0, BOTH, PROT_READ, flags, -1, 0);
  char path[] = "/tmp/faultsXXXXXX";
  int descriptor = mkstemp(path);
  unlink(path);
  if (ftruncate(descriptor, 100) != 0) return 1;
  file = mmap(0, BOTH, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  char *end = data + PAGE;
  last();

  run("ldr", 0xf9400061, end);
  run("str", 0xf9000061, end);
  run("ldr over the end", 0xf9400061, end - 4);
  run("str over the end", 0xf9000061, end - 4);
  printf("%lx\n", last());
  run("stp over the end", 0xa9000861, end - 8);
  printf("%lx\n", last());
  run("stp pre-index over the end", 0xa9bf0861, end + 8);
  printf("%lx\n", last());
  run("ldp over the end", 0xa9400861, end - 8);
  run("ldp post-index over the end", 0xa8c10861, end - 8);
  run("ldr pre-index", 0xf8408c61, end - 8);
  run("st1 over the end", 0x4c002060, end - 32);
  printf("%lx\n", last());
  run("st4 post-index over the end", 0x4c9f0060, end - 32);
  printf("%lx\n", last());
  run("ld4 post-index over the end", 0x4cdf0060, end - 32);
  run("ldr read-only", 0xf9400061, constant);
  run("str read-only", 0xf9000061, constant);
  run("ldadd read-only", 0xb8210062, constant);
  run("cas read-only, unequal", 0x88a17c62, constant);
  run("casp read-only, unequal", 0x48227c64, constant);
  run("ldxr read-only", 0xc85f7c61, constant);
  run("dc zva read-only", 0xd50b7423, constant);
  run("dc zva nowhere", 0xd50b7423, end + 64);
  run("dc cvac", 0xd50b7a23, end);
  run("dc cvau", 0xd50b7b23, end + 24);
  run("dc civac", 0xd50b7e23, end);
  run("ic ivau", 0xd50b7523, end);
  run("ic ivau of data is no fault", 0xd50b7523, data);
  run("prfm", 0xf9800060, end);
  run("ldr beyond the file", 0xf9400061, file + PAGE);
  run("ldr 0", 0xf9400061, 0);
  run("ldr of the kernel's", 0xf9400061, (void *)0xffff000000000000);
  run("ldr beyond 48 bits", 0xf9400061, (void *)0x0055000000000000);
  run("ldr tagged", 0xf9400061, (void *)((uintptr_t)end | 0xab00000000000000));
  run("ldxr unaligned", 0xc85f7c61, data + 1);
  run("ldxr aligned by 4", 0xc85f7c61, data + 4);
  run("ldaxrh unaligned", 0x485ffc61, data + 1);
  run("stxr unaligned", 0xc8047c61, data + 1);
  run("ldxp aligned by 8", 0xc87f0861, data + 8);
  run("ldar unaligned", 0xc8dffc61, data + 4);
  run("stlr unaligned", 0xc89ffc61, data + 4);
  run("ldapr unaligned", 0xf8bfc061, data + 4);
  run("ldadd unaligned", 0xb8210062, data + 2);
  run("ldaddal over the end", 0xf8e10062, end - 4);
  run("swp unaligned", 0xb8218062, data + 2);
  run("cas unaligned", 0x88a17c62, data + 2);
  run("casp aligned by 8", 0x48227c64, data + 8);
  run("ldr unaligned is no fault", 0xf9400061, data + 1);
  stacked("sp ldr", 0xf94003e1, data + 8);
  stacked("sp str", 0xf90007e1, data + 8);
  stacked("sp ldp post-index", 0xa8c10be1, data + 8);
  stacked("sp str pre-index", 0xf81f0fe1, data + 1);
  stacked("sp ldr register", 0xf8626be1, data + 8);
  stacked("sp ldxr", 0xc85f7fe1, data + 4);
  stacked("sp ldadd", 0xb82103e2, data + 8);
  stacked("sp ld1", 0x4c4073e0, data + 8);
  stacked("sp stp nowhere", 0xa9000be1, end + 8);
  stacked("sp ldr aligned is no fault", 0xf94003e3, data);
  stacked("sp prfm is no fault", 0xf98003e0, data + 8);
  run("udf", 0, data);
  run("hlt", 0xd4400000, data);
  run("hvc", 0xd4000002, data);
  run("smc", 0xd4000003, data);
  run("dcps1", 0xd4a00001, data);
  run("eret", 0xd69f03e0, data);
  run("brk 0", 0xd4200000, data);
  run("brk 1000", 0xd4207d00, data);
  run("msr daifset", 0xd50342df, data);
  run("mrs daif", 0xd53b4221, data);
  run("mrs sctlr_el1", 0xd5381001, data);
  run("mrs cntpct_el0", 0xd53be021, data);
  run("mrs pmccntr_el0", 0xd53b9d01, data);
  run("msr tpidrro_el0", 0xd51bd063, data);
  run("udiv by 0 is no fault", 0x9ac30841, 0);
  run("br misaligned", 0xd61f0060, code + 6);
  run("br to nothing", 0xd61f0060, end);
  run("br to data", 0xd61f0060, data);
  run("br beyond 48 bits", 0xd61f0060, (void *)0x0055000000000000);
  run("br tagged is no fault", 0xd61f0060, (void *)((uintptr_t)(code + 4) | 0xab00000000000000));

  handle(pattern);
  changed();
  return 0;
}
