/*
 * Runs a linked memory image on the processor itself: maps the regions of an image file at their
 * addresses, builds a System V initial stack and jumps to the start address. Built static and
 * far from where images lie. Usage: run_image IMAGE ARGUMENTS... (ARGUMENTS[0] is the program's name),
 * or run_image IMAGE --call ARGUMENT ARGUMENT: calls the start address and prints what it returns.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t word(int fd) {
  uint64_t value;
  if (read(fd, &value, 8) != 8) exit(120);
  return value;
}

__attribute__((noreturn)) static void enter(uint64_t entry, uint64_t *stack, uint64_t thread) {
#ifdef __x86_64__
  if (thread != 0) {
    /* arch_prctl(ARCH_SET_FS) without the libc, which is unusable once fs has changed. */
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(158L), "D"(0x1002L), "S"(thread)
                     : "rcx", "r11", "memory");
  }
  __asm__ volatile("mov %0, %%rsp; xor %%edx, %%edx; xor %%ebp, %%ebp; jmp *%1"
                   : : "r"(stack), "r"(entry) : "memory");
#else
  if (thread != 0) __asm__ volatile("msr tpidr_el0, %0" : : "r"(thread));
  register uint64_t x16 __asm__("x16") = entry;
  register uint64_t x17 __asm__("x17") = (uint64_t)stack;
  __asm__ volatile("mov sp, x17; mov x0, xzr; mov x29, xzr; mov x30, xzr; br x16"
                   : : "r"(x16), "r"(x17) : "memory");
#endif
  __builtin_unreachable();
}

int main(int argc, char **argv) {
  int fd = open(argv[1], O_RDONLY);
  uint64_t entry = word(fd), thread = word(fd), pairs = word(fd);
  uint64_t auxv[64];
  for (uint64_t i = 0; i < 2 * pairs; i++) auxv[i] = word(fd);
  uint64_t regions = word(fd);
  for (uint64_t i = 0; i < regions; i++) {
    uint64_t at = word(fd), size = word(fd), protection = word(fd);
    void *map = mmap((void *)at, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (map != (void *)at) {
      fprintf(stderr, "0x%lx is taken\n", (unsigned long)at);
      return 121;
    }
    for (uint64_t done = 0; done < size;) {
      ssize_t part = read(fd, (char *)at + done, size - done);
      if (part <= 0) return 122;
      done += part;
    }
    if (mprotect(map, size, protection) != 0) return 123;
    __builtin___clear_cache((char *)at, (char *)at + size);
  }
  close(fd);
  if (argc > 2 && strcmp(argv[2], "--call") == 0) {
    uint64_t (*function)(uint64_t, uint64_t) = (uint64_t (*)(uint64_t, uint64_t))entry;
    printf("%lu\n", function(strtoul(argv[3], 0, 10), strtoul(argv[4], 0, 10)));
    return 0;
  }
  uint64_t *stack = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t *top = (uint64_t *)((char *)stack + (1 << 20) - 4096);
  uint64_t *p = top;
  *p++ = argc - 2;
  for (int i = 2; i < argc; i++) *p++ = (uint64_t)argv[i];
  *p++ = 0;
  *p++ = (uint64_t) "IMAGE=1";
  *p++ = 0;
  static unsigned char random_bytes[16] = {1, 2, 3, 4};
  uint64_t own[] = {AT_PAGESZ, 4096, AT_RANDOM, (uint64_t)random_bytes, AT_HWCAP,
                    getauxval(AT_HWCAP), AT_SECURE, 0, AT_UID, 0, AT_EUID, 0, AT_GID, 0, AT_EGID, 0};
  memcpy(p, own, sizeof own);
  p += sizeof own / 8;
  memcpy(p, auxv, 16 * pairs);
  p += 2 * pairs;
  *p++ = AT_NULL;
  *p++ = 0;
  fflush(0);
  enter(entry, top, thread);
}
