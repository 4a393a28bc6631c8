/* alone PROGRAM: run it, as launch.c does, where the only interface is the loopback, which nobody
   may change, and /sys shows that. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP_NET_ADMIN 12

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

/* The user stays who it is. */
static void identity_map(const char *path, unsigned id) {
  char text[40];
  int fd = open(path, O_WRONLY);
  check(fd, path);
  snprintf(text, sizeof text, "%u %u 1", id, id);
  check((int)write(fd, text, strlen(text)), path);
  close(fd);
}

int main(int count, char **arguments) {
  unsigned user = getuid(), group = getgid();
  if (user != 0) {
    check(unshare(CLONE_NEWUSER), "CLONE_NEWUSER");
    int fd = open("/proc/self/setgroups", O_WRONLY);
    check((int)write(fd, "deny", 4), "setgroups");
    close(fd);
    identity_map("/proc/self/uid_map", user);
    identity_map("/proc/self/gid_map", group);
  }
  check(unshare(CLONE_NEWNET | CLONE_NEWNS), "CLONE_NEWNET");
  check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "/");
  check(mount("sysfs", "/sys", "sysfs", 0, NULL), "/sys");
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq lo = {"lo"};
  lo.ifr_flags = IFF_UP;
  check(ioctl(fd, SIOCSIFFLAGS, &lo), "lo");
  close(fd);
  check(prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0), "CAP_NET_ADMIN");
  close_range(3, ~0U, 0);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    execv(arguments[1], arguments + 1);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
