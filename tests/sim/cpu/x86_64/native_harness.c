// Executes instruction sequences on the host processor, from and to records on stdin and stdout.
// Each record says: code bytes and where they lie, registers, RFLAGS, an FXSAVE image, the upper halves
// of the vector registers (if the processor has AVX), and the contents of a data window. The answer is the same record after execution, with the signal that
// ended it, if any. Built with: gcc -O1 -no-pie -o harness native_harness.c
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x10000000ul
#define CODE_SIZE 0x4000000ul
#define DATA 0x20000000ul
#define STATE 0x30000000ul
#define WINDOW 256

struct record {
  uint64_t address;
  uint32_t length;
  uint32_t signal;
  uint8_t code[112];
  uint64_t gpr[16];
  uint64_t rflags;
  uint64_t code_of_signal;
  uint8_t fx[512];
  uint8_t window[WINDOW];
  uint8_t upper[256];
  uint64_t fault[4]; // si_addr, trap number, error code, RIP
};

// At STATE: what the assembly below reads and writes with absolute addresses.
struct state {
  uint64_t gpr[16];   // 0
  uint64_t rflags;    // 128
  uint64_t target;    // 136
  uint64_t host_rsp;  // 144
  uint64_t avx;       // 152
  uint64_t pad[12];   // 160
  uint8_t fx[512];    // 256
  uint64_t bits[8];   // 768: the header of an XSAVE area
  uint8_t upper[256]; // 832
  uint64_t stack[64]; // 1088
};
#define S ((volatile struct state *)STATE)

void enter(void);
void leave(void);
__asm__(
    ".text\n.globl enter\nenter:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, 0x30000000+144\n"
    "cmpq $0, 0x30000000+152\nje 1f\n"
    "mov $7, %eax\nxor %edx, %edx\nxrstor64 0x30000000+256\njmp 2f\n"
    "1: fxrstor64 0x30000000+256\n2:\n"
    "pushq 0x30000000+128\npopfq\n"
    "mov 0x30000000+0, %rax\nmov 0x30000000+8, %rcx\nmov 0x30000000+16, %rdx\n"
    "mov 0x30000000+24, %rbx\nmov 0x30000000+32, %rsp\nmov 0x30000000+40, %rbp\n"
    "mov 0x30000000+48, %rsi\nmov 0x30000000+56, %rdi\nmov 0x30000000+64, %r8\n"
    "mov 0x30000000+72, %r9\nmov 0x30000000+80, %r10\nmov 0x30000000+88, %r11\n"
    "mov 0x30000000+96, %r12\nmov 0x30000000+104, %r13\nmov 0x30000000+112, %r14\n"
    "mov 0x30000000+120, %r15\n"
    "jmp *0x30000000+136\n"
    ".globl leave\nleave:\n"
    "mov %rax, 0x30000000+0\nmov %rcx, 0x30000000+8\nmov %rdx, 0x30000000+16\n"
    "mov %rbx, 0x30000000+24\nmov %rsp, 0x30000000+32\nmov %rbp, 0x30000000+40\n"
    "mov %rsi, 0x30000000+48\nmov %rdi, 0x30000000+56\nmov %r8, 0x30000000+64\n"
    "mov %r9, 0x30000000+72\nmov %r10, 0x30000000+80\nmov %r11, 0x30000000+88\n"
    "mov %r12, 0x30000000+96\nmov %r13, 0x30000000+104\nmov %r14, 0x30000000+112\n"
    "mov %r15, 0x30000000+120\n"
    "mov $0x30000000+1600, %rsp\n"
    "pushfq\npopq 0x30000000+128\n"
    "cmpq $0, 0x30000000+152\nje 1f\n"
    "mov $7, %eax\nxor %edx, %edx\nxsave64 0x30000000+256\nvzeroupper\njmp 2f\n"
    "1: fxsave64 0x30000000+256\n2: fninit\n"
    "mov 0x30000000+144, %rsp\ncld\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n");

static volatile uint32_t caught;
static volatile uint32_t caught_code;
static volatile uint64_t fault[4];

static void handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  uint64_t at = u->uc_mcontext.gregs[REG_RIP];
  if (at < CODE || at >= CODE + CODE_SIZE) {
    fprintf(stderr, "signal %d at %lx\n", signal, at);
    _exit(1);
  }
  caught = signal;
  caught_code = info->si_code;
  fault[0] = (uint64_t)info->si_addr;
  fault[1] = u->uc_mcontext.gregs[REG_TRAPNO];
  fault[2] = u->uc_mcontext.gregs[REG_ERR];
  fault[3] = at;
  // The registers are those of the fault: let `leave` store them.
  u->uc_mcontext.gregs[REG_RIP] = (uint64_t)leave;
  u->uc_mcontext.gregs[REG_EFL] &= ~0x40000ul;
}

int main(void) {
  int any = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  mmap((void *)CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, any | MAP_NORESERVE, -1, 0);
  mmap((void *)DATA, 4096, PROT_READ | PROT_WRITE, any, -1, 0);
  mmap((void *)STATE, 4096, PROT_READ | PROT_WRITE, any, -1, 0);
  stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&alternate, 0);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int signals[] = {SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS};
  for (int i = 0; i < 5; i++) sigaction(signals[i], &action, 0);
  S->avx = __builtin_cpu_supports("avx") != 0;
  struct record r;
  uint8_t *window = (uint8_t *)DATA + 2048;
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    uint8_t *code = (uint8_t *)r.address;
    memcpy(code, r.code, r.length);
    // jmp *0(%rip); .quad leave
    memcpy(code + r.length, "\xff\x25\0\0\0\0", 6);
    uint64_t back = (uint64_t)leave;
    memcpy(code + r.length + 6, &back, 8);
    memcpy((void *)S->gpr, r.gpr, 128);
    memcpy((void *)S->fx, r.fx, 512);
    memset((void *)S->bits, 0, 64);
    S->bits[0] = 7;
    memcpy((void *)S->upper, r.upper, 256);
    S->rflags = r.rflags | 0x202;
    S->target = r.address;
    memcpy(window, r.window, WINDOW);
    caught = caught_code = 0;
    enter();
    r.signal = caught;
    r.code_of_signal = caught_code;
    for (int i = 0; i < 4; i++) r.fault[i] = caught ? fault[i] : 0;
    memcpy(r.gpr, (void *)S->gpr, 128);
    memcpy(r.fx, (void *)S->fx, 512);
    if (S->avx) memcpy(r.upper, (void *)S->upper, 256);
    r.rflags = S->rflags;
    memcpy(r.window, window, WINDOW);
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
