/* Memory policies of a machine of one node. */
#include "../fs/programs/check.h"
#include <sys/mman.h>
#include <sys/syscall.h>

static void policy(void) {
  int mode = -1;
  unsigned long mask[16] = {~0ul};
  SHOW(syscall(SYS_get_mempolicy, &mode, mask, 1025, 0, 0));
  printf("mode %x nodes %lx\n", mode, mask[0]);
}

int main(void) {
  int mode = -1;
  static unsigned long mask[16];
  unsigned long one[16] = {1}, two[16] = {2}, none[16] = {0}, both[16] = {3};
  char *p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p[0] = 1;
  policy();
  for (int kind = -1; kind < 6; kind++) {
    printf("kind %d\n", kind);
    SHOW(syscall(SYS_set_mempolicy, kind, one, 64));
    policy();
    SHOW(syscall(SYS_set_mempolicy, kind, none, 64));
    SHOW(syscall(SYS_set_mempolicy, kind, 0, 0));
    policy();
    SHOW(syscall(SYS_set_mempolicy, kind, two, 64));
    SHOW(syscall(SYS_set_mempolicy, kind, both, 64));
    SHOW(syscall(SYS_set_mempolicy, kind | 1 << 15, one, 64));
    policy();
    SHOW(syscall(SYS_set_mempolicy, kind | 3 << 14, one, 64));
  }
  SHOW(syscall(SYS_set_mempolicy, 2, 8, 64));
  SHOW(syscall(SYS_set_mempolicy, 2, one, 1 << 20));
  SHOW(syscall(SYS_set_mempolicy, 3, one, 64));
  fflush(stdout);
  if (fork() == 0) {
    policy();
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, 0, 1));
  SHOW(mode);
  SHOW(syscall(SYS_set_mempolicy, 0, 0, 0));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, 0, 1));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, 0, 8));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, p, 0));
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, p, 3));
  SHOW(mode);
  SHOW(syscall(SYS_get_mempolicy, &mode, 0, 0, 4096, 2));
  SHOW(syscall(SYS_get_mempolicy, 0, mask, 1025, 0, 4));
  SHOW(mask[0]);
  SHOW(syscall(SYS_get_mempolicy, 0, mask, 1025, 0, 5));
  SHOW(syscall(SYS_get_mempolicy, 8, 0, 0, 0, 0));

  SHOW(syscall(SYS_mbind, p, 65536, 2, one, 64, 0));
  SHOW(syscall(SYS_mbind, p, 65536, 2, two, 64, 0));
  SHOW(syscall(SYS_mbind, p, 65536, 9, one, 64, 0));
  SHOW(syscall(SYS_mbind, p, 65536, 2, one, 64, 8));
  SHOW(syscall(SYS_mbind, p + 1, 65536, 2, one, 64, 0));
  SHOW(syscall(SYS_mbind, 4096, 4096, 2, one, 64, 0));
  SHOW(syscall(SYS_mbind, p, 0, 2, one, 64, 0));
  if (getuid() != 0)
    SHOW(syscall(SYS_mbind, p, 65536, 2, one, 64, 4));

  void *pages[3] = {p, p + 4096, (void *)4096};
  int status[3] = {9, 9, 9}, nodes[3] = {0};
  SHOW(syscall(SYS_move_pages, 0, 3, pages, 0, status, 0));
  printf("%d %d %d\n", status[0], status[1], status[2]);
  status[0] = status[1] = status[2] = 9;
  SHOW(syscall(SYS_move_pages, 0, 3, pages, nodes, status, 2));
  printf("%d %d %d\n", status[0], status[1], status[2]);
  nodes[1] = 1;
  SHOW(syscall(SYS_move_pages, 0, 3, pages, nodes, status, 2));
  SHOW(syscall(SYS_move_pages, 0, 3, pages, nodes, status, 8));
  SHOW(syscall(SYS_move_pages, 0x3fffffff, 3, pages, 0, status, 0));
  SHOW(syscall(SYS_move_pages, 0, 3, 8, 0, status, 0));
  SHOW(syscall(SYS_migrate_pages, 0, 64, one, one));
  SHOW(syscall(SYS_migrate_pages, 0, 64, one, two));
  SHOW(syscall(SYS_migrate_pages, 0, 64, two, one));
  SHOW(syscall(SYS_migrate_pages, 0x3fffffff, 64, one, one));
  return 0;
}
