/* The services to a running program: what is found, in which order, what is called when. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static const char *base(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int show(struct dl_phdr_info *info, size_t size, void *data) {
  int loads = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) loads += info->dlpi_phdr[i].p_type == PT_LOAD;
  if (strstr(info->dlpi_name, "vdso") == NULL)
    printf("  %s: loads %d, tls %d %d, subs %d\n", base(info->dlpi_name), loads > 0,
           info->dlpi_tls_modid > 0, info->dlpi_tls_data != NULL, (int)info->dlpi_subs);
  return strcmp(base(info->dlpi_name), (const char *)data) == 0 ? 42 : 0;
}

int value(void) { return 1; }

int main(int argc, char **argv) {
  printf("iterate %d\n", dl_iterate_phdr(show, "none"));
  void *a = dlopen("liba.so", RTLD_NOW | RTLD_LOCAL);
  if (a == NULL) return puts(dlerror()), 1;
  int (*f)(void) = dlsym(a, "first");
  printf("first %d, global %d\n", f(), dlsym(RTLD_DEFAULT, "first") != NULL);
  dlerror();
  printf("iterate %d\n", dl_iterate_phdr(show, "libb.so"));
  Dl_info info;
  printf("dladdr %d", dladdr((void *)f, &info));
  printf(" %s %s %d\n", base(info.dli_fname), info.dli_sname, info.dli_saddr == (void *)f);
  printf("dladdr %d", dladdr((void *)main, &info));
  printf(" %s\n", base(info.dli_fname));
  printf("dladdr %d", dladdr((void *)puts, &info));
  printf(" %s %d\n", base(info.dli_fname), info.dli_saddr != NULL);
  printf("dladdr %d\n", dladdr((void *)8, &info));
  struct link_map *map;
  printf("dlinfo %d", dlinfo(a, RTLD_DI_LINKMAP, &map));
  printf(" %s %d\n", base(map->l_name), map == (struct link_map *)a);
  char origin[256];
  printf("origin %d", dlinfo(a, RTLD_DI_ORIGIN, origin));
  printf(" %s\n", origin);
  Lmid_t ns = 5;
  printf("namespace %d", dlinfo(a, RTLD_DI_LMID, &ns));
  printf(" %d\n", (int)ns);
  for (struct link_map *m = _r_debug.r_map; m; m = m->l_next)
    if (strstr(m->l_name, "vdso") == NULL && strstr(m->l_name, "ld-linux") == NULL)
      printf("  map %s %d\n", base(m->l_name), m->l_ld != NULL);
  void *again = dlopen("/t/liba.so", RTLD_NOW | RTLD_GLOBAL);
  printf("again %d, global %d\n", again == a, dlsym(RTLD_DEFAULT, "first") != NULL);
  printf("noload %d\n", dlopen("libc1.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
  void *self = dlopen(NULL, RTLD_NOW);
  printf("self %d\n", dlsym(self, "value") == (void *)value);
  printf("close %d\n", dlclose(again));
  printf("first %d\n", f());
  printf("close %d\n", dlclose(a));
  printf("gone %d\n", dlopen("liba.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
  dlerror();
  a = dlopen("liba.so", RTLD_NOW | RTLD_NODELETE);
  dlclose(a);
  printf("kept %d\n", dlopen("liba.so", RTLD_NOW | RTLD_NOLOAD) == a);
  void *c = dlopen("libc1.so", RTLD_LAZY);
  printf("next %d\n", ((int (*)(void))dlsym(c, "next"))());
  puts("end");
  return 3;
}
