/* From file to file: splice, tee, vmsplice, sendfile, copy_file_range at their edges. */
#include "check.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static int broken;
static void count(int signo) { broken += signo; }

int main(void) {
  int a[2], b[2];
  must(pipe(a));
  must(pipe(b));
  int f = must(open("file", O_CREAT | O_RDWR, 0600));
  must((int)write(f, "hello", 5));
  lseek(f, 0, SEEK_SET);
  struct iovec none = {"abc", 0}, some = {"abc", 3};
  loff_t from = 0, to = 3;

  /* Nothing is asked of files when there is nothing to move. */
  SHOW(tee(a[0], b[1], 0, 0));
  SHOW(tee(a[0], a[1], 0, 0));
  SHOW(tee(f, b[1], 0, 0));
  SHOW(tee(99, 99, 0, 0));
  SHOW(tee(99, 99, 0, 16));
  SHOW(splice(a[0], 0, b[1], 0, 0, 0));
  SHOW(splice(f, 0, f, 0, 0, 0));
  SHOW(splice(99, 0, 99, 0, 0, 16));
  SHOW(sendfile(b[1], f, 0, 0));
  SHOW(copy_file_range(f, 0, f, 0, 0, 0));
  SHOW(vmsplice(b[1], &none, 1, 0));
  SHOW(vmsplice(b[1], &none, 0, 0));

  SHOW(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK));
  SHOW(splice(a[0], 0, b[1], 0, 5, SPLICE_F_NONBLOCK));
  SHOW(splice(f, 0, f, 0, 1, 0));
  SHOW(splice(f, 0, b[1], &to, 1, 0));
  SHOW(splice(99, 0, b[1], 0, 1, 0));
  SHOW(splice(f, 0, b[1], 0, 3, 0));
  SHOW(splice(f, 0, b[1], 0, 3, 16));
  SHOW(tee(b[0], a[1], 10, 0));
  SHOW(tee(b[0], b[1], 10, 0));
  SHOW(tee(b[0], a[1], 10, 16));
  SHOW(tee(f, a[1], 10, 0));
  SHOW(vmsplice(b[1], &some, 1, 16));
  SHOW(vmsplice(b[1], &some, 1, SPLICE_F_GIFT));
  SHOW(vmsplice(f, &some, 1, 0));

  SHOW(copy_file_range(f, 0, f, 0, 10, 1));
  SHOW(copy_file_range(f, &from, f, &to, 2, 0));
  to = 1;
  SHOW(copy_file_range(f, &from, f, &to, 4, 0));
  to = 1;
  SHOW(copy_file_range(f, &to, f, &to, 1, 0));
  to = 100;
  SHOW(copy_file_range(f, &to, f, &from, 4, 0));
  SHOW(copy_file_range(f, &from, a[1], 0, 4, 0));
  struct stat s;
  fstat(f, &s);
  SHOW(s.st_size);

  signal(SIGPIPE, count);
  close(a[0]);
  SHOW(tee(b[0], a[1], 10, 0));
  SHOW(splice(b[0], 0, a[1], 0, 10, 0));
  SHOW(sendfile(a[1], f, &from, 1));
  SHOW(vmsplice(a[1], &some, 1, 0));
  SHOW(broken);
  return 0;
}
