/* An audit library (rtld-audit(7)) that says on standard error what it is told, a word for the kind first. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : *path ? path : "PROGRAM";
}

unsigned la_version(unsigned version) { return version; }

unsigned la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie) {
  *cookie = (uintptr_t)base(map->l_name);
  dprintf(2, "opened %s\n", base(map->l_name));
  /* Of glibc's own references none. */
  const char *name = base(map->l_name);
  int own = strncmp(name, "libc.", 5) == 0 || strncmp(name, "libdl.", 6) == 0;
  return own ? LA_FLG_BINDTO : LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag) {
  if (flag != LA_SER_ORIG) dprintf(2, "searched %s\n", name);
  return (char *)name;
}

void la_preinit(uintptr_t *cookie) { dprintf(2, "linked\n"); }

unsigned la_objclose(uintptr_t *cookie) {
  dprintf(2, "closed %s\n", (const char *)*cookie);
  return 0;
}

/* Calls of `one` go to `two`. */
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to,
                       unsigned *flags, const char *name) {
  static uintptr_t two;
  const char *by = *flags & LA_SYMB_DLSYM ? "dlsym" : (const char *)*from;
  dprintf(2, "bound %s %s %s\n", by, name, (const char *)*to);
  if (strcmp(name, "two") == 0) two = symbol->st_value;
  return strcmp(name, "one") == 0 ? two : symbol->st_value;
}
