/* Pseudo-terminals: line editing, echo, output, raw reads, signals, job control, hang-ups. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master, slave;

/* Linux hands bytes from one end to the other in a work queue. */
static void settle(void) { usleep(20000); }

static void show(const char *what, const char *bytes, int count) {
  printf("%s %d", what, count);
  if (count < 0) printf(" %s", strerror(errno));
  if (count > 0) putchar(' ');
  for (int i = 0; i < count; i++)
    isprint((unsigned char)bytes[i]) ? printf("%c", bytes[i]) : printf("\\%02x", (unsigned char)bytes[i]);
  putchar('\n');
  fflush(stdout);
}

static void result(const char *what, int value) {
  printf("%s: %d%s%s\n", what, value, value < 0 ? " " : "", value < 0 ? strerror(errno) : "");
  fflush(stdout);
}

/* Whether a file can be opened. */
static int opens(const char *path) {
  int fd = open(path, O_RDWR | O_NOCTTY);
  if (fd < 0) return fd;
  close(fd);
  return 0;
}

static void take(const char *what, int fd) {
  static char bytes[8192];
  settle();
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  int count = read(fd, bytes, sizeof bytes);
  show(what, bytes, count);
  fcntl(fd, F_SETFL, flags);
}

static void type(const char *text) {
  int count = write(master, text, strlen(text));
  if (count != (int)strlen(text)) printf("typed %d of %zu\n", count, strlen(text));
  settle();
}

static void open_pair(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  result("locked", opens(ptsname(master)));
  if (grantpt(master) != 0) perror("grantpt");
  if (unlockpt(master) != 0) perror("unlockpt");
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
}

static void line_editing(void) {
  static const char *const texts[] = {
    "plain\n", "ab\x7f" "c\n", "killed\x15kept\n", "two words  \x17one\n", "a\x16\x03z\n", "tab\t\x7f|\n",
    "\x01\x7f!\n", "\xc3\xa9\x7f!\n", "cr\r", "\x04", "part\x04", "re\x12print\n", "under_score(x\x17y\n",
    "ctrl\x16\x7f\x7f.\n",
  };
  struct termios mode;
  for (int variant = 0; variant < 5; variant++) {
    tcgetattr(slave, &mode);
    mode.c_lflag |= ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN | ISIG;
    mode.c_lflag &= ~(ECHOPRT | ECHONL);
    mode.c_iflag |= ICRNL;
    if (variant == 1) mode.c_lflag &= ~(ECHOE | ECHOKE);
    if (variant == 2) mode.c_lflag &= ~ECHO, mode.c_lflag |= ECHONL;
    if (variant == 3) mode.c_iflag |= IUTF8, mode.c_lflag &= ~ECHOCTL;
    if (variant == 4) mode.c_lflag |= ECHOPRT, mode.c_iflag |= IGNCR;
    tcsetattr(slave, TCSANOW, &mode);
    printf("editing %d\n", variant);
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
      type(texts[i]);
      take(" read", slave);
      take(" echo", master);
      tcflush(slave, TCIOFLUSH);
    }
  }
  mode.c_lflag &= ~ECHOPRT;
  mode.c_iflag &= ~(IGNCR | IUTF8);
  mode.c_lflag |= ECHOCTL;
  mode.c_cc[VEOL] = ';';
  tcsetattr(slave, TCSANOW, &mode);
  type("first;second;third\n");
  int waiting;
  ioctl(slave, FIONREAD, &waiting);
  printf("waiting %d\n", waiting);
  for (int i = 0; i < 4; i++) take("eol", slave);
  take("echo", master);
  char two[2];
  type("longer\n");
  show("short", two, read(slave, two, 2));
  take("rest", slave);
  take("echo", master);
  mode.c_cc[VEOL] = 0;
  tcsetattr(slave, TCSANOW, &mode);
}

static void output(void) {
  static const struct { const char *name; int set, clear; } modes[] = {
    { "default", 0, 0 }, { "raw", 0, OPOST }, { "no newline", 0, ONLCR }, { "tabs", XTABS, 0 },
    { "returns", OCRNL, ONLCR }, { "no return at 0", ONOCR, 0 }, { "upper", OLCUC, 0 }, { "newline returns", ONLRET, ONLCR },
  };
  struct termios mode, old;
  tcgetattr(slave, &old);
  for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
    mode = old;
    mode.c_oflag = (mode.c_oflag | modes[i].set) & ~modes[i].clear;
    tcsetattr(slave, TCSANOW, &mode);
    const char text[] = "one\ntwo\tx\r\ry\bz\t\x01|\n\r";
    write(slave, text, sizeof text - 1);
    take(modes[i].name, master);
  }
  tcsetattr(slave, TCSANOW, &old);
}

static void raw(void) {
  struct termios mode, old;
  char bytes[16];
  tcgetattr(slave, &old);
  type("left");
  mode = old;
  cfmakeraw(&mode);
  tcsetattr(slave, TCSANOW, &mode);
  settle();
  take("half a line", slave);
  take("echo", master);
  type("a\r\n\x03\x04\x7f");
  take("raw", slave);
  take("no echo", master);
  mode.c_cc[VMIN] = 0;
  tcsetattr(slave, TCSANOW, &mode);
  show("none", bytes, read(slave, bytes, sizeof bytes));
  mode.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &mode);
  show("after a while", bytes, read(slave, bytes, sizeof bytes));
  mode.c_cc[VMIN] = 4;
  mode.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &mode);
  type("abc");
  struct pollfd ready = { slave, POLLIN, 0 };
  printf("three of four: %d\n", poll(&ready, 1, 0));
  type("de");
  printf("five: %d\n", poll(&ready, 1, 0));
  show("five", bytes, read(slave, bytes, sizeof bytes));
  mode.c_cc[VTIME] = 2;
  tcsetattr(slave, TCSANOW, &mode);
  type("xy");
  show("between", bytes, read(slave, bytes, sizeof bytes));
  type("queued");
  tcflush(slave, TCIFLUSH);
  take("flushed", slave);
  tcsetattr(slave, TCSANOW, &old);
  type("to raw\n");
  tcsetattr(slave, TCSANOW, &mode);
  show("line", bytes, read(slave, bytes, sizeof bytes));
  tcsetattr(slave, TCSAFLUSH, &old);
  take("echo", master);
}

static void flow(void) {
  type("\x13");
  int flags = fcntl(slave, F_GETFL);
  fcntl(slave, F_SETFL, flags | O_NONBLOCK);
  show("stopped", "", write(slave, "x", 1));
  type("\x11");
  show("started", "", write(slave, "x", 1));
  tcflow(slave, TCOOFF);
  show("off", "", write(slave, "y", 1));
  tcflow(slave, TCOON);
  show("on", "", write(slave, "y", 1));
  fcntl(slave, F_SETFL, flags);
  take("seen", master);
}

static volatile sig_atomic_t last;
/* Settings in the structure of System V, and what else a terminal keeps. */
static void old_settings(void) {
  struct termio mode;
  result("TCGETA", ioctl(slave, TCGETA, &mode));
  printf("%x %x %x %x %d:", mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag, mode.c_line);
  for (int i = 0; i < NCC; i++) printf(" %d", mode.c_cc[i]);
  printf("\n");
  struct termios before, after;
  tcgetattr(slave, &before);
  mode.c_lflag &= ~ECHO;
  mode.c_cc[2] = 8;
  result("TCSETA", ioctl(slave, TCSETA, &mode));
  tcgetattr(slave, &after);
  printf("echo %d erase %d word erase %d\n", (after.c_lflag & ECHO) != 0, after.c_cc[VERASE], after.c_cc[VWERASE]);
  result("TCSETAW", ioctl(slave, TCSETAW, &mode));
  type("typed before\n");
  result("TCSETAF", ioctl(slave, TCSETAF, &mode));
  take("after TCSETAF", slave);
  result("TCGETA of the master", ioctl(master, TCGETA, &mode));
  result("bad address", ioctl(slave, TCGETA, 8));
  tcsetattr(slave, TCSANOW, &before);
  take("echoed", master);
  int value = -1;
  result("TIOCGSOFTCAR", ioctl(slave, TIOCGSOFTCAR, &value));
  printf("%d\n", value);
  value = 1;
  result("TIOCSSOFTCAR", ioctl(slave, TIOCSSOFTCAR, &value));
  tcgetattr(slave, &after);
  printf("local %d\n", (after.c_cflag & CLOCAL) != 0);
  tcsetattr(slave, TCSANOW, &before);
  value = 0;
  result("TIOCGETD", ioctl(slave, TIOCGETD, &value));
  result("TIOCSETD", ioctl(slave, TIOCSETD, &value));
  result("TIOCEXCL", ioctl(slave, TIOCEXCL, 0));
  result("TIOCGEXCL", ioctl(slave, TIOCGEXCL, &value));
  printf("exclusive %d\n", value);
  if (getuid() != 0) result("open", opens(ptsname(master)));
  result("TIOCNXCL", ioctl(slave, TIOCNXCL, 0));
  unsigned device = 0;
  struct stat status;
  fstat(slave, &status);
  result("TIOCGDEV", ioctl(slave, TIOCGDEV, &device));
  printf("device %d\n", device == (unsigned)status.st_rdev);
  result("TCSBRKP", ioctl(slave, TCSBRKP, 0));
}

static void handler(int signo) { last = signo; }

static void got(const char *what) {
  settle();
  printf("%s: %s\n", what, last ? strsignal(last) : "nothing");
  fflush(stdout);
  last = 0;
}

static void catch(int signo) {
  struct sigaction action = { .sa_handler = handler };
  sigaction(signo, &action, 0);
}

/* In a child that leads a session: the slave becomes its terminal. */
static void session(void) {
  result("no terminal", opens("/dev/tty"));
  result("not mine", tcgetpgrp(slave));
  int fd = open(ptsname(master), O_RDWR);
  printf("foreground: %d\n", tcgetpgrp(fd) == getpid());
  printf("session: %d\n", tcgetsid(fd) == getpid());
  printf("by the master: %d\n", tcgetpgrp(master) == getpid());
  int tty = open("/dev/tty", O_RDWR);
  struct stat status;
  fstat(tty, &status);
  printf("/dev/tty: %u %u\n", major(status.st_rdev), minor(status.st_rdev));
  catch(SIGINT), catch(SIGQUIT), catch(SIGTSTP), catch(SIGWINCH), catch(SIGHUP), catch(SIGCONT);
  type("lost\x03"), got("interrupt");
  take("flushed", fd);
  take("echo", master);
  type("\x1c"), got("quit");
  type("\x1a"), got("stop");
  take("echo", master);
  struct winsize size = { 33, 77, 1, 2 }, same;
  ioctl(master, TIOCSWINSZ, &size), got("size");
  ioctl(master, TIOCSWINSZ, &size), got("same size");
  ioctl(fd, TIOCGWINSZ, &same);
  printf("size %d %d %d %d\n", same.ws_row, same.ws_col, same.ws_xpixel, same.ws_ypixel);

  pid_t child = fork();
  if (child == 0) {
    char byte;
    setpgid(0, 0);
    signal(SIGTTIN, SIG_DFL);
    int count = read(fd, &byte, 1);
    _exit(count == 1 ? byte : errno);
  }
  setpgid(child, child);
  int how;
  waitpid(child, &how, WUNTRACED);
  printf("background read: %d %s\n", WIFSTOPPED(how), strsignal(WSTOPSIG(how)));
  printf("change group: %d\n", tcsetpgrp(fd, child));
  type("k\n");
  kill(child, SIGCONT);
  waitpid(child, &how, 0);
  printf("interrupted by its continuation: %s\n", strerror(WEXITSTATUS(how)));
  take("still there", fd);
  signal(SIGTTOU, SIG_IGN);
  printf("and back: %d\n", tcsetpgrp(fd, getpid()));
  signal(SIGTTOU, SIG_DFL);
  result("no such group", tcsetpgrp(fd, 999999));
  struct termios mode;
  tcgetattr(fd, &mode);
  mode.c_lflag |= TOSTOP;
  tcsetattr(fd, TCSANOW, &mode);
  child = fork();
  if (child == 0) {
    setpgid(0, 0);
    signal(SIGTTIN, SIG_IGN);
    char byte;
    int count = read(fd, &byte, 1);
    int error = errno;
    write(fd, "w", 1);
    _exit(count < 0 ? error : 99);
  }
  setpgid(child, child);
  waitpid(child, &how, WUNTRACED);
  printf("background write: %d %s\n", WIFSTOPPED(how), strsignal(WSTOPSIG(how)));
  tcsetpgrp(fd, child);
  kill(child, SIGCONT);
  waitpid(child, &how, 0);
  printf("ignored read: %s\n", strerror(WEXITSTATUS(how)));
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(fd, getpid());
  take("seen", master);
  last = 0;
  if (fork() == 0) {
    result("not a leader", ioctl(fd, TIOCSCTTY, 0));
    result("give up", ioctl(fd, TIOCNOTTY));
    result("gone", opens("/dev/tty"));
    _exit(0);
  }
  wait(0);
  last = 0;
  printf("leader gives up: %d\n", ioctl(tty, TIOCNOTTY));
  got("hung up or continued");
  result("gone", opens("/dev/tty"));
  printf("again: %d\n", ioctl(fd, TIOCSCTTY, 0));
  printf("twice: %d\n", ioctl(fd, TIOCSCTTY, 0));
  close(tty);
  close(slave);
  last = 0;
  close(master);
  got("hang-up");
  char byte;
  show("read", &byte, read(fd, &byte, 1));
  show("write", "", write(fd, "x", 1));
  struct pollfd ready = { fd, POLLIN | POLLOUT, 0 };
  poll(&ready, 1, 0);
  printf("poll %x\n", ready.revents);
  struct termios none;
  result("settings", tcgetattr(fd, &none));
}

int main(void) {
  setvbuf(stdout, 0, _IOLBF, 0);
  open_pair();
  struct stat status;
  fstat(slave, &status);
  printf("slave: %o, major %u, tty %d, ptsname's own name: %d\n", status.st_mode & ~0020, major(status.st_rdev), isatty(slave),
    strcmp(ttyname(slave), ptsname(master)));
  struct termios mode;
  tcgetattr(slave, &mode);
  printf("modes %x %x %x %x\n", mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag);
  int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct stat other;
  fstat(peer, &other);
  printf("peer: %d, flags %x\n", other.st_ino == status.st_ino, fcntl(peer, F_GETFD));
  close(peer);
  line_editing();
  output();
  raw();
  flow();
  old_settings();
  struct pollfd ready = { master, POLLIN | POLLOUT, 0 };
  poll(&ready, 1, 0);
  printf("master poll %x\n", ready.revents);
  close(slave);
  settle();
  poll(&ready, 1, 0);
  printf("alone %x\n", ready.revents);
  take("alone", master);
  show("written", "", write(master, "x", 1));
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  settle();
  poll(&ready, 1, 0);
  printf("opened again %x\n", ready.revents);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    session();
    _exit(7);
  }
  close(master);
  close(slave);
  int how;
  waitpid(child, &how, 0);
  printf("end %x\n", how);
  return 0;
}
