/* Memory asked for as huge pages in both ways, used page by page. Standard output does not depend
   on whether huge pages were to be had; standard error says it. */
#include "guest.h"

enum { huge = 2 << 20, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15 };

static u64 use(u8 *area, u64 size) {
  u64 sum = 0;
  for (u64 at = 0; at < size; at += 4096) *(u64 *)(area + at) = at * 0x9e3779b97f4a7c15ul;
  for (u64 pass = 0; pass < 4; pass++) {
    for (u64 at = 0; at < size; at += 4096) sum = sum * 31 + *(u64 *)(area + at);
  }
  return sum;
}

int main(int argc, char **argv) {
  u64 size = number(argc > 1 ? argv[1] : NULL, 2) * huge;
  int rights = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  u8 *pool = map(NULL, size, rights, anonymous | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
  note(failed(pool) ? "hugetlb: refused\n" : "hugetlb: given\n");
  if (failed(pool)) pool = map(NULL, size, rights, anonymous, -1, 0);
  if (failed(pool)) return 1;
  show("pool", use(pool, size));
  SYSTEM_CALL(SYS_munmap, pool, size);

  u8 *area = map(NULL, size + huge, rights, anonymous, -1, 0);
  if (failed(area)) return 1;
  u8 *aligned = (u8 *)(((u64)area + huge - 1) & -(u64)huge);
  long advised = SYSTEM_CALL(SYS_madvise, aligned, size, MADV_HUGEPAGE);
  note(advised ? "madvise: refused\n" : "madvise: taken\n");
  show("advised", use(aligned, size));
  SYSTEM_CALL(SYS_mprotect, aligned + 4096 * 3, 4096, PROT_READ);
  SYSTEM_CALL(SYS_munmap, aligned + 4096 * 100, 4096 * 4);
  u64 sum = 0;
  for (u64 at = 0; at < 4096 * 100; at += 4096) sum = sum * 31 + *(u64 *)(aligned + at);
  show("after splitting", sum);
  return 0;
}
