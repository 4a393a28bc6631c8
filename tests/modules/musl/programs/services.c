#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__thread int own = 5;
int from_program(void) { return 11; }
static void begin_first(void) { puts("preinit"); }
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = begin_first;
__attribute__((constructor)) static void begin(void) { puts("program begins"); }
__attribute__((destructor)) static void end(void) { puts("program ends"); }

static const char *base_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static int (*late)(int);

static int show(struct dl_phdr_info *info, size_t size, void *data)
{
  if (!*info->dlpi_name) return 0; /* the kernel's own object */
  int loads = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) loads += info->dlpi_phdr[i].p_type == PT_LOAD;
  printf("object %s: %d loads %d, %llu %llu, tls %zu %d, size %zu\n", base_name(info->dlpi_name),
         info->dlpi_addr != 0, loads > 0, info->dlpi_adds, info->dlpi_subs, info->dlpi_tls_modid,
         info->dlpi_tls_data != 0, size);
  return ++*(int *) data == 20;
}

static int stop(struct dl_phdr_info *info, size_t size, void *data) { return 42; }

static void where(const char *what, void *address)
{
  Dl_info info;
  if (!dladdr(address, &info)) {
    printf("%s: nowhere\n", what);
    return;
  }
  printf("%s: %s %s %d %d\n", what, base_name(info.dli_fname), info.dli_sname ? info.dli_sname : "-",
         info.dli_saddr == address, memcmp(info.dli_fbase, "\177ELF", 4));
}

static void *work(void *argument)
{
  late((int) (long) argument);
  late(1);
  own++;
  printf("own %d\n", own);
  return 0;
}

static void in_thread(long number)
{
  pthread_t thread;
  pthread_create(&thread, 0, work, (void *) number);
  pthread_join(thread, 0);
}

static pthread_barrier_t gate;
static void *wait_and_work(void *argument)
{
  pthread_barrier_wait(&gate);
  pthread_barrier_wait(&gate);
  return work(argument);
}

static void error(const char *what) { const char *e = dlerror(); printf("%s: %s\n", what, e ? e : "-"); }

int main(int argc, char **argv)
{
  setvbuf(stdout, 0, _IOLBF, 0);
  printf("%d %s\n", argc, argv[1]);
  error("no error");
  puts(strdup("copied"));
  void *self = dlopen(0, RTLD_NOW);
  printf("self %d %d\n", self != 0, dlsym(self, "from_program") == (void *) from_program);
  printf("missing %d\n", dlopen("libnothing.so", RTLD_NOW) != 0);
  error("missing");
  error("missing again");
  printf("missing path %d\n", dlopen(T "/nothing/libnothing.so", RTLD_NOW) != 0);
  error("missing path");
  printf("directory %d\n", dlopen(T, RTLD_NOW) != 0);
  error("directory");
  printf("text %d\n", dlopen(T "/text.so", RTLD_NOW) != 0);
  error("text");
  printf("not loaded %d\n", dlopen("liblate.so", RTLD_NOW | RTLD_NOLOAD) != 0);
  error("not loaded");
  printf("lacking %d\n", dlopen("liblacking.so", RTLD_NOW) != 0);
  error("lacking");
  printf("needing %d\n", dlopen("libneeds.so", RTLD_NOW) != 0);
  error("needing");

  pthread_t waiting;
  pthread_barrier_init(&gate, 0, 2);
  pthread_create(&waiting, 0, wait_and_work, (void *) 1000L);
  pthread_barrier_wait(&gate);

  void *handle = dlopen("liblate.so", RTLD_NOW);
  if (!handle) error("liblate.so");
  printf("same %d %d\n", handle == dlopen(T "/liblate.so", RTLD_NOW),
         handle == dlopen("liblate.so", RTLD_NOW | RTLD_NOLOAD));
  late = (int (*)(int)) dlsym(handle, "late");
  late(5);
  late(5);
  in_thread(10);
  in_thread(20);
  pthread_barrier_wait(&gate);
  pthread_join(waiting, 0);
  late(0);

  printf("hidden %d\n", dlsym(RTLD_DEFAULT, "late_value") != 0);
  error("hidden");
  printf("deep %d\n", dlsym(handle, "deep") != 0);
  int *counter = dlsym(handle, "deep_counter");
  printf("counter %d\n", counter ? *counter : -1);
  void *plug = dlopen("libplug.so", RTLD_NOW | RTLD_GLOBAL);
  if (!plug) error("libplug.so");
  printf("global %d\n", dlsym(RTLD_DEFAULT, "next_puts") != 0);
  void *(*next_puts)(void) = (void *(*)(void)) dlsym(plug, "next_puts");
  void *(*next_shared)(void) = (void *(*)(void)) dlsym(plug, "next_shared");
  printf("next %d %d\n", next_puts() != 0, next_shared() != 0);
  error("next");
  void *(*lookup)(void *, const char *) = dlsym;
  printf("pointer %d %d\n", lookup(self, "puts") == (void *) puts, lookup(RTLD_NEXT, "main") != 0);
  error("pointer");

  where("main", (void *) main);
  where("late", (void *) late);
  where("inside", (char *) late + 1);
  where("stack", &argc);
  where("data", dlsym(handle, "late_value"));
  where("puts", (void *) puts);
  int count = 0;
  printf("iterated %d\n", dl_iterate_phdr(show, &count));
  printf("stopped %d\n", dl_iterate_phdr(stop, 0));
  struct link_map *map = 0;
  printf("info %d", dlinfo(handle, RTLD_DI_LINKMAP, &map));
  printf(" %s %d\n", base_name(map->l_name), (void *) map == handle);
  for (map = self; map; map = map->l_next) {
    if (*map->l_name) printf("map %s %d\n", base_name(map->l_name), map->l_ld != 0);
  }
  printf("info %d\n", dlinfo(handle, 9, &map));
  error("info");
  printf("closed %d %d\n", dlclose(handle), dlclose(plug));
  printf("still %d\n", dlsym(handle, "late") == (void *) late);
  printf("not a handle %d\n", dlclose((void *) 4096));
  error("not a handle");
  printf("not a handle %d\n", dlsym((void *) 4096, "x") != 0);
  error("not a handle");
  printf("insists %d\n", dlopen("libinsists.so", RTLD_NOW) != 0);

  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    late(100);
    in_thread(3);
    exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  late(0);
  printf("child %d\n", WEXITSTATUS(status));
  return 3;
}
