/*
 * inotify: the events of each operation, in order, as those see them who watch a file and the
 * directories that it is in and moves between. What kernels order differently is left out: opening with
 * O_TRUNC, names of O_TMPFILE.
 */
#include "check.h"
#include <dirent.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

static int watcher;

/* Print the events since the last call; cookies by whether they are new. */
static void events(const char *what) {
  static char buffer[16384] __attribute__((aligned(8)));
  static unsigned cookie;
  printf("%s:", what);
  long count;
  while ((count = read(watcher, buffer, sizeof buffer)) > 0) {
    for (char *p = buffer; p < buffer + count;) {
      struct inotify_event *e = (struct inotify_event *)p;
      const char *pair = e->cookie == 0 ? "" : e->cookie == cookie ? " same" : " new";
      if (e->cookie != 0)
        cookie = e->cookie;
      printf(" [%d %x%s%s%s]", e->wd, e->mask, pair, e->len ? " " : "", e->len ? e->name : "");
      p += sizeof *e + e->len;
    }
  }
  printf("\n");
}

#define DO(call)                                                               \
  do {                                                                         \
    (void)!(call);                                                             \
    events(#call);                                                             \
  } while (0)

static void contents(void) {
  static char buffer[20000];
  int file;
  DO(file = must(open("f", O_RDWR)));
  DO(read(file, buffer, 3));
  DO(read(file, buffer, 3));
  DO(read(file, buffer, 3));
  DO(pread(file, buffer, 1, 0));
  DO(write(file, "x", 1));
  DO(write(file, "", 0));
  DO(write(file, buffer, sizeof buffer));
  DO(pwrite(file, "x", 1, 9));
  DO(pread(file, buffer, sizeof buffer, 0));
  DO(ftruncate(file, 2));
  DO(ftruncate(file, 2));
  DO(posix_fallocate(file, 0, 100));
  DO(fchmod(file, 0644));
  DO(fsync(file));
  char *map;
  DO((map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED);
  DO(map[0] = 1);
  DO(munmap(map, 4096));
  int other;
  DO(other = must(open("g", O_CREAT | O_RDWR, 0600)));
  DO(lseek(file, 0, SEEK_SET));
  DO(sendfile(other, file, 0, 2));
  off_t from = 0, to = 0;
  DO(copy_file_range(file, &from, other, &to, 2, 0));
  int ends[2];
  must(pipe(ends));
  DO(splice(file, &from, ends[1], 0, 5, 0));
  DO(splice(ends[0], 0, other, &to, 5, 0));
  DO(close(other));
  int copy;
  DO(copy = must(dup(file)));
  DO(close(file));
  DO(close(copy));
  DO(truncate("f", 1));
  DO(file = must(open("f", O_PATH)));
  DO(close(file));
}

static void directories(void) {
  DIR *directory;
  DO((directory = opendir("sub")) == 0);
  DO(readdir(directory) == 0);
  while (readdir(directory))
    ;
  events("the rest");
  DO(closedir(directory));
  DO(chmod("sub", 0755));
  DO(mkdir("sub/deep", 0700));
  DO(rmdir("sub/deep"));
}

static void names(void) {
  char target[9];
  struct stat info;
  DO(link("f", "h"));
  DO(rename("h", "sub/h"));
  DO(unlink("sub/h"));
  DO(symlink("f", "s"));
  DO(readlink("s", target, sizeof target));
  DO(stat("f", &info));
  DO(access("f", R_OK));
  DO(utimensat(AT_FDCWD, "f", 0, 0));
  DO(mkfifo("p", 0600));
  int fifo;
  DO(fifo = must(open("p", O_RDWR | O_NONBLOCK)));
  DO(close(fifo));
  inotify_add_watch(watcher, "g", IN_ALL_EVENTS);
  DO(rename("f", "g"));
  DO(rename("g", "f"));
  int file;
  DO(file = must(open("f", O_RDONLY)));
  DO(unlink("f"));
  DO(close(file));
  DO(rmdir("sub"));
}

static void programs(void) {
  int script = must(open("x", O_CREAT | O_WRONLY, 0700));
  must((int)write(script, "#!/proc/self/nowhere\n", 21));
  close(script);
  events("a script");
  DO(execl("./x", "x", (char *)0));
}

int main(void) {
  mkdir("watched", 0700);
  must(chdir("watched"));
  mkdir("sub", 0700);
  int file = must(open("f", O_CREAT | O_RDWR, 0600));
  must((int)write(file, "hello", 5));
  close(file);
  watcher = must(inotify_init1(IN_NONBLOCK));
  SHOW(inotify_add_watch(watcher, ".", IN_ALL_EVENTS));
  SHOW(inotify_add_watch(watcher, "f", IN_ALL_EVENTS));
  SHOW(inotify_add_watch(watcher, "sub", IN_ALL_EVENTS));
  events("nothing yet");
  contents();
  directories();
  names();
  programs();
  return 0;
}
