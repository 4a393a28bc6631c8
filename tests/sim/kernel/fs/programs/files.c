/* Names and attributes: stat in all its forms, *at calls, links, directories, /proc, /dev. */
#include "check.h"
#include <dirent.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

static void attributes(void) {
  int fd = must(open("f", O_CREAT | O_EXCL | O_RDWR, 0666));
  SHOW(open("f", O_CREAT | O_EXCL | O_RDWR, 0666));
  must((int)write(fd, "12345", 5));
  struct stat s;
  SHOW(fstat(fd, &s));
  printf("%o %ld %ld blk %ld %d\n", s.st_mode, (long)s.st_nlink, (long)s.st_size,
         (long)s.st_blksize, s.st_uid == getuid());
  SHOW(fchmod(fd, 04755));
  SHOW(fstatat(AT_FDCWD, "f", &s, AT_SYMLINK_NOFOLLOW));
  printf("%o\n", s.st_mode);
  SHOW(fstatat(fd, "", &s, AT_EMPTY_PATH));
  SHOW(fstatat(fd, "", &s, 0));
  SHOW(fstatat(fd, "x", &s, 0));
  SHOW(fstatat(AT_FDCWD, "f", &s, 0x80));
  struct timespec times[2] = {{1000, 5}, {2000, 123456789}};
  SHOW(futimens(fd, times));
  SHOW(fstat(fd, &s));
  printf("%ld.%09ld %ld.%09ld\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec,
         s.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = 7, times[1].tv_nsec = 8;
  SHOW(utimensat(AT_FDCWD, "f", times, 0));
  times[1].tv_nsec = 2000000000;
  SHOW(utimensat(AT_FDCWD, "f", times, 0));
  struct statx x;
  SHOW(statx(AT_FDCWD, "f", 0, STATX_ALL, &x));
  printf("%o %u %llu %lld.%09u %lld.%09u mask %d\n", x.stx_mode, x.stx_nlink,
         (unsigned long long)x.stx_size, (long long)x.stx_atime.tv_sec, x.stx_atime.tv_nsec,
         (long long)x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec, (x.stx_mask & 0x7ff) == 0x7ff);
  SHOW(statx(AT_FDCWD, "f", 0, 0x80000000, &x));
  SHOW(statx(fd, "", AT_EMPTY_PATH | 0x6000, 0, &x));
  SHOW(stat("/dev/null", &s));
  printf("%o %u:%u\n", s.st_mode & S_IFMT, major(s.st_rdev), minor(s.st_rdev));
  SHOW(access("f", F_OK));
  SHOW(access("f", R_OK | W_OK | X_OK));
  SHOW(access("f", 8));
  SHOW(faccessat(AT_FDCWD, "missing", F_OK, AT_EACCESS));
  char value[8];
  SHOW(getxattr("f", "user.none", value, 8));
  SHOW(getxattr("missing", "user.none", value, 8));
  SHOW(getxattr("f", "strange", value, 8));
  SHOW(listxattr("f", value, 0));
  struct statfs sf;
  SHOW(statfs(".", &sf));
  SHOW(sf.f_namelen);
  SHOW(statfs("missing", &sf));
  SHOW(truncate("f", 2));
  SHOW(truncate("f", -1));
  SHOW(truncate(".", 2));
  close(fd);
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path) {
  DIR *directory = opendir(path);
  if (directory == NULL) {
    printf("%s: %s\n", path, strerrorname_np(errno));
    return;
  }
  char *names[400];
  size_t count = 0;
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    char text[300];
    snprintf(text, sizeof text, "%s/%d", entry->d_name, entry->d_type);
    names[count++] = strdup(text);
  }
  closedir(directory);
  qsort(names, count, sizeof *names, by_name);
  printf("%s has %zu:", path, count);
  for (size_t i = 0; i < count && i < 12; i++) printf(" %s", names[i]);
  printf("\n");
}

static void directories(void) {
  SHOW(mkdir("d", 0777));
  int d = must(open("d", O_RDONLY | O_DIRECTORY));
  SHOW(mkdirat(d, "sub", 0700));
  SHOW(symlinkat("../f", d, "link"));
  SHOW(linkat(AT_FDCWD, "f", d, "hard", 0));
  SHOW(linkat(d, "link", d, "link2", 0));
  SHOW(linkat(d, "link", d, "hard2", AT_SYMLINK_FOLLOW));
  SHOW(mknodat(d, "fifo", S_IFIFO | 0644, 0));
  for (int i = 0; i < 300; i++) {
    char name[40];
    snprintf(name, sizeof name, "sub/%030d", i);
    close(must(openat(d, name, O_CREAT | O_WRONLY, 0600)));
  }
  list("d");
  list("d/sub");
  list("f");
  struct stat s;
  SHOW(stat("d", &s));
  SHOW(s.st_nlink);
  SHOW(stat("f", &s));
  SHOW(s.st_nlink);
  char buffer[64];
  SHOW(readlinkat(d, "link", buffer, 64));
  SHOW(readlinkat(d, "link", buffer, 2));
  SHOW(readlink("f", buffer, 64));
  SHOW(readlink("d/link", buffer, 0));
  int link = must(openat(d, "link", O_PATH | O_NOFOLLOW));
  SHOW(readlinkat(link, "", buffer, 64));
  SHOW(fstat(link, &s));
  printf("%o\n", s.st_mode & S_IFMT);
  SHOW(syscall(SYS_getdents64, d, buffer, 4));
  SHOW(syscall(SYS_getdents64, link, buffer, 64));
  SHOW(renameat2(AT_FDCWD, "f", d, "hard", 0));
  SHOW(renameat2(AT_FDCWD, "d", AT_FDCWD, "d/sub/x", 0));
  SHOW(renameat2(d, "sub", d, "link", RENAME_EXCHANGE));
  SHOW(renameat2(d, "sub", d, "fifo", RENAME_NOREPLACE));
  SHOW(unlinkat(d, "sub", AT_REMOVEDIR));
  SHOW(unlinkat(d, "link", 0));
  SHOW(unlinkat(d, "link", AT_REMOVEDIR));
  SHOW(unlinkat(d, "sub", 7));
  SHOW(fchdir(d));
  SHOW(getcwd(buffer, 3) == NULL);
  SHOW(strcmp(strrchr(getcwd(NULL, 0), '/'), "/d"));
  SHOW(mkdir("gone", 0755));
  SHOW(chdir("gone"));
  SHOW(rmdir("../gone"));
  SHOW(getcwd(buffer, 64) == NULL);
  SHOW(open("x", O_CREAT | O_WRONLY, 0644));
  SHOW(mkdir("x", 0755));
  list(".");
  SHOW(chdir(".."));
  SHOW(chdir("fifo"));
  SHOW(chdir(".."));
  SHOW(umask(077));
  SHOW(mkdir("masked", 0777));
  SHOW(stat("masked", &s));
  printf("%o\n", s.st_mode);
  SHOW(umask(022));
  struct open_how how = {.flags = O_RDONLY};
  SHOW(close((int)syscall(SYS_openat2, AT_FDCWD, "masked", &how, sizeof how)));
  how.mode = 0644;
  SHOW(syscall(SYS_openat2, AT_FDCWD, "masked", &how, sizeof how));
  SHOW(open("masked/f", O_TMPFILE | O_RDWR, 0600));
  int unnamed = must(open("masked", O_TMPFILE | O_RDWR, 0600));
  SHOW(fstat(unnamed, &s));
  SHOW(s.st_nlink);
  char self[64];
  snprintf(self, sizeof self, "/proc/self/fd/%d", unnamed);
  SHOW(linkat(AT_FDCWD, self, AT_FDCWD, "masked/named", AT_SYMLINK_FOLLOW));
  SHOW(fstat(unnamed, &s));
  SHOW(s.st_nlink);
}

static void first_line(const char *path, int length) {
  char text[256] = {0};
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("%s: %s\n", path, strerrorname_np(errno));
    return;
  }
  long count = read(fd, text, sizeof text - 1);
  for (long i = 0; i < count; i++)
    if (text[i] == 0) text[i] = ' ';
  text[strcspn(text, "\n")] = 0;
  printf("%s: %.*s\n", path, length, text);
  close(fd);
}

static void kernel_files(void) {
  first_line("/proc/self/comm", 100);
  first_line("/proc/self/status", 5);
  first_line("/proc/self/stat", 0);
  first_line("/proc/sys/kernel/ostype", 100);
  first_line("/proc/filesystems", 11);
  first_line("/proc/self/oom_score_adj", 10);
  first_line("/proc/missing", 100);
  first_line("/proc/self/missing", 100);
  first_line("/dev/full", 0);
  SHOW(open("/proc/self/status", O_WRONLY));
  SHOW(open("/proc/new", O_CREAT | O_WRONLY, 0644) == -1);
  char buffer[64] = {0}, self[16];
  snprintf(self, sizeof self, "%d", getpid());
  SHOW(readlink("/proc/self", buffer, 64) > 0 && strcmp(buffer, self) == 0);
  int fd = must(open("masked/named", O_RDWR));
  char path[64], target[300] = {0};
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  SHOW(readlink(path, target, 299) > 0 && strcmp(strrchr(target, '/'), "/named") == 0);
  unlink("masked/named");
  memset(target, 0, sizeof target);
  SHOW(readlink(path, target, 299) > 0 && strcmp(strrchr(target, ' '), " (deleted)") == 0);
  SHOW(open(path, O_RDONLY) >= 0);
  int ends[2];
  must(pipe(ends));
  snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
  memset(target, 0, sizeof target);
  SHOW(readlink(path, target, 299) > 0 && strncmp(target, "pipe:[", 6) == 0);
  int full = must(open("/dev/full", O_RDWR));
  SHOW(write(full, "x", 1));
  SHOW(read(full, buffer, 8));
  int zero = must(open("/dev/zero", O_RDWR));
  SHOW(read(zero, buffer, 8));
  SHOW(lseek(zero, 5, SEEK_SET));
  int null = must(open("/dev/null", O_RDWR));
  SHOW(read(null, buffer, 8));
  SHOW(write(null, buffer, 8));
  int random = must(open("/dev/urandom", O_RDONLY));
  SHOW(read(random, buffer, 8));
  SHOW(open("/dev/tty", O_RDWR) == -1);
  SHOW(access("/sys/devices/system/cpu/online", R_OK));
  SHOW(access("/dev/shm", W_OK));
  SHOW(access("/etc/../../../..", F_OK));
  SHOW(stat("/..", (struct stat[1]){}) );
}

/* A file seen through read, write and a shared mapping at once. */
static void mappings(void) {
  int fd = must(open("mapped", O_CREAT | O_RDWR | O_TRUNC, 0644));
  SHOW(ftruncate(fd, 10000));
  char *map = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *copy = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  strcpy(map + 5000, "stored");
  char buffer[16] = {0};
  SHOW(pread(fd, buffer, 6, 5000));
  printf("%s %s\n", buffer, copy + 5000);
  SHOW(pwrite(fd, "WRITTEN", 7, 5000));
  printf("%s %s\n", map + 5000, copy + 5000);
  strcpy(copy + 5000, "mine");
  printf("%s %s\n", map + 5000, copy + 5000);
  SHOW(ftruncate(fd, 5003));
  printf("%s\n", map + 5000);
  SHOW(ftruncate(fd, 10000));
  printf("%s\n", map + 5000);
  int again = must(open("mapped", O_RDWR | O_TRUNC));
  SHOW(write(again, "short", 5));
  printf("%s\n", map);
  SHOW(msync(map, 4096, MS_SYNC));
  munmap(map, 10000);
  SHOW(pread(fd, buffer, 16, 0));
  SHOW(mmap(NULL, 4096, PROT_READ, MAP_SHARED, must(open("/dev/null", O_RDONLY)), 0) == MAP_FAILED);
  int reader = must(open("mapped", O_RDONLY));
  SHOW(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED);
  SHOW(mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE, reader, 0) == MAP_FAILED);
}

int main(void) {
  umask(022);
  attributes();
  directories();
  kernel_files();
  mappings();
  return 0;
}
