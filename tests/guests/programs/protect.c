/* mmap, mprotect, munmap, mremap and the SIGSEGV each wrong access gives, with address and code. */
#include "guest.h"

enum { page = 65536 };

static volatile u64 fault_address, fault_code, resume;
static volatile u64 faults;

static void on_fault(int signal, void *information, void *context) {
  (void)signal;
  faults++;
  fault_code = *(u32 *)((u8 *)information + 8);
  fault_address = *(u64 *)((u8 *)information + 16);
  CONTEXT_PC(context) = resume;
}

/* Tries one access; 0 if it went well, else 1 (SEGV_MAPERR) or 2 (SEGV_ACCERR). */
static u64 attempt(u8 *at, int kind) {
  u64 before = faults;
  fault_address = 0;
  resume = (u64)&&after;
  __asm__ volatile("" ::: "memory");
  if (kind == 0) {
    u8 value = *(volatile u8 *)at;
    __asm__ volatile("" ::"r"(value));
  } else if (kind == 1) {
    *(volatile u8 *)at = 1;
  } else {
    ((void (*)(void))at)();
  }
  __asm__ goto("" ::::after);
after:
  if (faults == before) return 0;
  return fault_address == (u64)at ? fault_code : 99;
}

static void report(const char *label, u8 *at) {
  count(label, attempt(at, 0) * 10 + attempt(at, 1));
}

int main(void) {
  int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  if (handle_signal(SIGSEGV, on_fault, SA_NODEFER)) return 1;
  u8 *area = map(NULL, 4 * page, PROT_READ | PROT_WRITE, anonymous, -1, 0);
  if (failed(area)) return 2;
  report("read-write", area);
  SYSTEM_CALL(SYS_mprotect, area + page, page, PROT_READ);
  report("read-only", area + page);
  report("before read-only", area + page - 1);
  report("after read-only", area + 2 * page);
  SYSTEM_CALL(SYS_mprotect, area + page, page, PROT_NONE);
  report("no rights", area + page + 7);
  SYSTEM_CALL(SYS_mprotect, area + page, page, PROT_READ | PROT_WRITE);
  report("rights given back", area + page + 7);
  SYSTEM_CALL(SYS_munmap, area + 2 * page, page);
  report("unmapped", area + 2 * page + 8);
  area[3 * page] = 42;
  u8 *moved = (u8 *)SYSTEM_CALL(SYS_mremap, area + 3 * page, page, 2 * page, 1);
  count("moved", failed(moved) ? 999 : moved[0]);
  report("grown", moved + page);
  report("null", NULL);
  count("faults", faults);
  count("invalid mmap", (u64)-SYSTEM_CALL(SYS_mmap, 0, 0, PROT_READ, anonymous, -1, 0));
  count("invalid mprotect", (u64)-SYSTEM_CALL(SYS_mprotect, area + 1, page, PROT_READ));
  return 0;
}
