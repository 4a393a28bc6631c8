/*
 * Runs a list of memory system calls on the real kernel, for comparison with the simulated one.
 *
 * Freestanding and static, so that nothing but the listed calls changes the address space. argv[1]
 * names a data file, opened read-write as fd 3 and read-only as fd 4. Standard input holds operations of
 * eight 64-bit words, the first of which selects the operation; standard output receives a 64-bit
 * result for each, or for DUMP a length and the text of /proc/self/smaps.
 */
typedef unsigned long u64;
typedef long s64;

#if defined(__x86_64__)
enum {
  READ = 0, WRITE = 1, MMAP = 9, MPROTECT = 10, MUNMAP = 11, BRK = 12, SIGACTION = 13,
  MREMAP = 25, MSYNC = 26, MINCORE = 27, MADVISE = 28, EXECVE = 59, EXIT = 60, FTRUNCATE = 77,
  PERSONALITY = 135, CLOSE = 3, OPENAT = 257, DUP3 = 292, WAIT4 = 61, CLONE = 56, PREAD = 17, PWRITE = 18,
};
static s64 call(s64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  s64 result;
  register u64 r10 __asm__("r10") = d;
  register u64 r8 __asm__("r8") = e;
  register u64 r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start: xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call begin\n"
        "restorer: mov $15,%eax\n syscall\n"
        "load_word: mov (%rdi),%rax\n ret\nstore_word: mov %rsi,(%rdi)\n ret\nlanded: ret\n");
enum { PC_IN_UCONTEXT = 168 };
#elif defined(__aarch64__)
enum {
  READ = 63, WRITE = 64, MMAP = 222, MPROTECT = 226, MUNMAP = 215, BRK = 214, SIGACTION = 134,
  MREMAP = 216, MSYNC = 227, MINCORE = 232, MADVISE = 233, EXECVE = 221, EXIT = 93, FTRUNCATE = 46,
  PERSONALITY = 92, CLOSE = 57, OPENAT = 56, DUP3 = 24, WAIT4 = 260, CLONE = 220, PREAD = 67, PWRITE = 68,
};
static s64 call(s64 n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  register u64 x8 __asm__("x8") = n;
  register u64 x0 __asm__("x0") = a;
  register u64 x1 __asm__("x1") = b;
  register u64 x2 __asm__("x2") = c;
  register u64 x3 __asm__("x3") = d;
  register u64 x4 __asm__("x4") = e;
  register u64 x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x29,0\n mov x0,sp\n bl begin\nrestorer: mov x8,139\n svc 0\n"
        "load_word: ldr x0,[x0]\n ret\nstore_word: str x1,[x0]\n ret\nlanded: ret\n");
enum { PC_IN_UCONTEXT = 440 };
#endif
/* A fault in one of the first two makes it return, by way of the third. */
u64 load_word(u64 address);
void store_word(u64 address, u64 value);
void landed(void);
void restorer(void);

enum { SIGBUS = 7, SIGSEGV = 11, SA_SIGINFO = 4, SA_NODEFER = 0x40000000, SA_RESTORER = 0x04000000 };

static volatile s64 fault;
static char text[1 << 20];
static u64 operation[8];

static void handler(int signal, int *info, char *context) {
  fault = signal << 8 | info[2];
  *(u64 *)(context + PC_IN_UCONTEXT) = (u64)landed;
}

static void put(const void *from, u64 size) {
  while (size > 0) {
    s64 n = call(WRITE, 1, (u64)from, size, 0, 0, 0);
    if (n <= 0) call(EXIT, 3, 0, 0, 0, 0, 0);
    from = (const char *)from + n;
    size -= n;
  }
}

static int get(void *into, u64 size) {
  while (size > 0) {
    s64 n = call(READ, 0, (u64)into, size, 0, 0, 0);
    if (n <= 0) return 0;
    into = (char *)into + n;
    size -= n;
  }
  return 1;
}

/* Guest accesses of the listed kind; the result is a value, or a fault as -(signal << 8 | code). */
static s64 access(u64 kind, u64 address, u64 value) {
  u64 hash = 0;
  fault = 0;
  if (kind == 8) store_word(address, value);
  else if (kind == 9) hash = load_word(address) >> 1;
  else /* a digest of [address, address + value) */
    for (u64 at = address; at < address + value && fault == 0; at += 8)
      hash = (hash << 5 ^ hash >> 27 ^ load_word(at)) & 0xffffffffffff;
  return fault != 0 ? -fault : (s64)hash;
}

static void dump(void) {
  s64 fd = call(OPENAT, -100, (u64) "/proc/self/smaps", 0, 0, 0, 0);
  u64 size = 0;
  for (;;) {
    s64 n = call(READ, fd, (u64)text + size, sizeof text - size, 0, 0, 0);
    if (n <= 0) break;
    size += n;
  }
  call(CLOSE, fd, 0, 0, 0, 0, 0);
  put(&size, 8);
  put(text, size);
}

/*
 * Where the processor has protection keys, Linux gives one to mappings that may only be executed and
 * withdraws the rights of the thread that makes them (mm/pkeys, execute-only memory). The machine compared
 * with has no keys: take the rights back.
 */
static void take_all_keys(void) {
#ifdef __x86_64__
  unsigned a = 7, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if ((c >> 4 & 1) != 0) __asm__ volatile(".byte 0x0f, 0x01, 0xef" ::"a"(0), "c"(0), "d"(0));
#endif
}

void begin(u64 *stack) {
  char **argv = (char **)(stack + 1);
  if (call(PERSONALITY, 0xffffffff, 0, 0, 0, 0, 0) != 0x0040000) {
    call(PERSONALITY, 0x0040000, 0, 0, 0, 0, 0); /* ADDR_NO_RANDOMIZE */
    char *none[] = {0};
    call(EXECVE, (u64)argv[0], (u64)argv, (u64)none, 0, 0, 0);
    call(EXIT, 4, 0, 0, 0, 0, 0);
  }
  u64 action[4] = {(u64)handler, SA_SIGINFO | SA_NODEFER | SA_RESTORER, (u64)restorer, 0};
  call(SIGACTION, SIGSEGV, (u64)action, 0, 8, 0, 0);
  call(SIGACTION, SIGBUS, (u64)action, 0, 8, 0, 0);
  call(DUP3, call(OPENAT, -100, (u64)argv[1], 2, 0, 0, 0), 13, 0, 0, 0, 0);
  call(DUP3, call(OPENAT, -100, (u64)argv[1], 0, 0, 0, 0), 14, 0, 0, 0, 0);
  u64 *o = operation;
  while (get(operation, sizeof operation)) {
    s64 result = 0;
    take_all_keys();
    switch (o[0]) {
    case 0: result = call(MMAP, o[1], o[2], o[3], o[4], (s64)o[5] < 0 ? (u64)-1 : o[5] + 10, o[6]); break;
    case 1: result = call(MUNMAP, o[1], o[2], 0, 0, 0, 0); break;
    case 2: result = call(MPROTECT, o[1], o[2], o[3], 0, 0, 0); break;
    case 3: result = call(MREMAP, o[1], o[2], o[3], o[4], o[5], 0); break;
    case 4: result = call(BRK, o[1], 0, 0, 0, 0, 0); break;
    case 5: result = call(MADVISE, o[1], o[2], o[3], 0, 0, 0); break;
    case 6: result = call(MSYNC, o[1], o[2], o[3], 0, 0, 0); break;
    case 7: { /* mincore, answered as one bit for each of up to 60 pages */
      unsigned char pages[64];
      result = call(MINCORE, o[1], o[2], (u64)pages, 0, 0, 0);
      if (result == 0)
        for (u64 i = 0; i < (o[2] + 4095) / 4096; i++) result |= (u64)(pages[i] & 1) << i;
      break;
    }
    case 11: result = call(FTRUNCATE, 13, o[1], 0, 0, 0, 0); break;
    case 12: dump(); continue;
    case 13: { /* fork: the child goes on with the list, the parent waits and goes on after EXIT */
      s64 child = call(CLONE, 17, 0, 0, 0, 0, 0);
      if (child == 0) continue;
      call(WAIT4, child, 0, 0, 0, 0, 0);
      continue;
    }
    case 14: call(EXIT, 0, 0, 0, 0, 0, 0); break;
    case 15: { /* write(2) to the file from guest memory, which may fault */
      result = call(PWRITE, 13, o[1], o[2], o[3], 0, 0);
      break;
    }
    case 16: { /* read(2) from the file to guest memory */
      result = call(PREAD, 13, o[1], o[2], o[3], 0, 0);
      break;
    }
    default: result = access(o[0], o[1], o[2]);
    }
    put(&result, 8);
  }
  call(EXIT, 0, 0, 0, 0, 0, 0);
}
