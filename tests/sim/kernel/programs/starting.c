/* What a program finds on its stack when it starts. */
#include "guest.h"

extern char __ehdr_start[];
void _start(void);

enum {
  AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9,
  AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_PLATFORM = 15, AT_HWCAP = 16,
  AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25, AT_EXECFN = 31,
};

static void text(const char *label, const char *value) {
  say(label);
  say(value);
  say("\n");
}

int main(int argc, char **argv) {
  count("argc", (u64)argc);
  for (int i = 0; i < argc; i++) text("  ", argv[i]);
  count("ended", argv[argc] == NULL);
  char **environment = argv + argc + 1;
  for (; *environment; environment++) text("  ", *environment);
  count("stack aligned", ((u64)argv - 8) % 16 == 0);
  /* The strings lie in order, one after the other, the file name last. */
  u64 ordered = 1;
  for (int i = 1; i < argc; i++) ordered &= argv[i] == argv[i - 1] + strlen(argv[i - 1]) + 1;
  count("in order", ordered);

  u64 *entry = (u64 *)(environment + 1);
  u64 value[64] = {0}, present = 0;
  for (; entry[0]; entry += 2)
    if (entry[0] < 64) {
      value[entry[0]] = entry[1];
      present |= 1ul << entry[0];
    }
  count("program headers", value[AT_PHDR] == (u64)__ehdr_start + 64);
  count("  size", value[AT_PHENT]);
  count("  number", value[AT_PHNUM] == *(u16 *)(__ehdr_start + 56));
  count("page size", value[AT_PAGESZ]);
  count("base", value[AT_BASE]);
  count("flags", value[AT_FLAGS]);
  count("entry", value[AT_ENTRY] == (u64)_start);
  count("uids", value[AT_UID] == value[AT_EUID] && value[AT_GID] == value[AT_EGID]);
  count("clock ticks", value[AT_CLKTCK]);
  count("secure", value[AT_SECURE]);
  text("name ", (char *)value[AT_EXECFN]);
  count("name is the last string", value[AT_EXECFN] > (u64)argv[argc - 1]);
#if defined(__x86_64__)
  count("platform", strcmp((char *)value[AT_PLATFORM], "x86_64") == 0);
#else
  count("platform", strcmp((char *)value[AT_PLATFORM], "aarch64") == 0);
#endif
  u64 *random = (u64 *)value[AT_RANDOM];
  count("random bytes", random[0] != 0 && random[1] != 0 && random[0] != random[1]);
  u64 wanted = 1ul << AT_PHDR | 1ul << AT_BASE | 1ul << AT_HWCAP | 1ul << AT_RANDOM | 1ul << AT_UID;
  count("all there", (present & wanted) == wanted);
  finish(0);
}
