/* System V shared memory: segments, attachments, rights, and what shmctl tells. */
#include <asm/unistd.h>
#include "guest.h"

enum { IPC_CREAT = 01000, IPC_EXCL = 02000, IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2 };
enum { SHM_RDONLY = 010000, SHM_RND = 020000, SHM_REMAP = 040000 };

struct shmid_ds {
  i32 key;
  u32 uid, gid, cuid, cgid, mode;
  u16 seq, pad;
  u64 unused[2];
  u64 size;
  i64 atime, dtime, ctime;
  i32 cpid, lpid;
  u64 attached, reserved[2];
};

static struct shmid_ds ds;

static void status(i64 id) {
  i64 self = SYSTEM_CALL(SYS_getpid);
  show("stat", (u64)SYSTEM_CALL(__NR_shmctl, id, IPC_STAT, &ds));
  count("  size", ds.size);
  show("  mode", ds.mode);
  count("  attached", ds.attached);
  count("  created here", ds.cpid == self);
}

/* By whom, and whether it was attached and detached: of the last shmat or shmdt. */
static void used(i64 id) {
  status(id);
  count("  last used here", ds.lpid == SYSTEM_CALL(SYS_getpid));
  count("  was attached, was detached", (u64)(ds.atime != 0) * 10 + (ds.dtime != 0));
}

/* A key that nobody else on the machine has. */
static i32 own_key(void) {
  return 0x49530000 | (i32)(SYSTEM_CALL(SYS_getpid) & 0xffff);
}

static void limits(i64 id) {
  u64 words[9] = {0};
  count("limits", SYSTEM_CALL(__NR_shmctl, 0, 3, words) >= 0);
  for (int i = 0; i < 5; i++) show("  limit", words[i]);
  count("in use", SYSTEM_CALL(__NR_shmctl, 0, 14, words) >= 0);
  count("  segments", (i32)words[0] >= 1);
  count("by index", SYSTEM_CALL(__NR_shmctl, id & 0x7fff, 13, &ds) == id);
  static char text[65536];
  i64 file = SYSTEM_CALL(SYS_openat, AT_FDCWD, "/proc/sysvipc/shm", O_RDONLY);
  i64 length = SYSTEM_CALL(SYS_read, file, text, sizeof text - 1);
  i64 end = 0, next = 0;
  while (end < length && text[end] != '\n') end++;
  for (next = end + 1; next < length && text[next] != '\n';) next++;
  text[end + 1] = 0;
  say(text);
  count("  row", (u64)(next - end));
}

int main(void) {
  i32 key = own_key();
  show("absent", (u64)SYSTEM_CALL(__NR_shmget, key, 4096, 0600));
  show("empty", (u64)SYSTEM_CALL(__NR_shmget, key, 0, IPC_CREAT | 0600));
  i64 id = SYSTEM_CALL(__NR_shmget, key, 10000, IPC_CREAT | IPC_EXCL | 0640);
  count("created", id >= 0);
  show("again", (u64)SYSTEM_CALL(__NR_shmget, key, 10000, IPC_CREAT | IPC_EXCL | 0600));
  count("found", SYSTEM_CALL(__NR_shmget, key, 0, 0600) == id);
  show("too large", (u64)SYSTEM_CALL(__NR_shmget, key, 10001, 0600));
  used(id);
  limits(id);

  u64 *first = (u64 *)SYSTEM_CALL(__NR_shmat, id, 0, 0);
  u64 *second = (u64 *)SYSTEM_CALL(__NR_shmat, id, 0, SHM_RDONLY);
  count("two places", first != second && !failed(first) && !failed(second));
  first[1279] = 42;
  count("the same memory", second[1279]);
  used(id);
  show("taken", (u64)SYSTEM_CALL(__NR_shmat, id, first, 0));
  show("not aligned", (u64)SYSTEM_CALL(__NR_shmat, id, (u8 *)first + 8, 0));
  count("in place", (u64 *)SYSTEM_CALL(__NR_shmat, id, (u8 *)second + 8, SHM_RND | SHM_REMAP) == second);
  second[0] = 7;
  count("writable now", first[0]);

  /* A child inherits the attachments, and what it writes is seen. */
  i64 child = fork();
  if (child == 0) {
    first[1] = 99;
    SYSTEM_CALL(__NR_shmctl, id, IPC_STAT, &ds);
    first[2] = ds.attached;
    SYSTEM_CALL(__NR_exit_group, 0);
  }
  i32 exit;
  SYSTEM_CALL(__NR_wait4, child, &exit, 0, NULL);
  count("the child wrote", first[1]);
  count("  and counted", first[2]);
  status(id);

  /* In two pieces, one of them is left where a page of it is unmapped. */
  SYSTEM_CALL(SYS_munmap, (u8 *)first + 4096, 4096);
  status(id);
  show("detach", (u64)SYSTEM_CALL(__NR_shmdt, first));
  show("detach again", (u64)SYSTEM_CALL(__NR_shmdt, first));
  used(id);

  ds.mode = 0200;
  show("set", (u64)SYSTEM_CALL(__NR_shmctl, id, IPC_SET, &ds));
  used(id);
  show("removed", (u64)SYSTEM_CALL(__NR_shmctl, id, IPC_RMID, 0));
  show("no key", (u64)SYSTEM_CALL(__NR_shmget, key, 0, 0600));
  used(id);
  count("still there", second[1279]);
  show("detach", (u64)SYSTEM_CALL(__NR_shmdt, second));
  show("gone", (u64)SYSTEM_CALL(__NR_shmctl, id, IPC_STAT, &ds));
  show("unknown", (u64)SYSTEM_CALL(__NR_shmat, id, 0, 0));
  finish(0);
}
