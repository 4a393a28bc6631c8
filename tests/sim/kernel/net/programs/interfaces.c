/* The loopback by ioctl, /proc/net and /sys/class/net. */
#include "../../fs/programs/check.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void show(int fd, const char *what, unsigned long request, const char *name, int index) {
  struct ifreq r;
  memset(&r, 0x55, sizeof r);
  strncpy(r.ifr_name, name, IFNAMSIZ);
  if (index >= 0) r.ifr_ifindex = index;
  errno = 0;
  int result = ioctl(fd, request, &r);
  printf("%s %s: %d %s", what, name, result, errno ? strerrorname_np(errno) : "");
  if (result == 0)
    for (unsigned i = 0; i < sizeof r; i++) printf(i == 16 ? " | %02x" : "%02x", ((unsigned char *)&r)[i]);
  printf("\n");
}

static void ioctls(const char *kind, int fd) {
  printf("%s\n", kind);
  static const char *names[] = {"lo", "eth0", "", "lo:1", "a name of sixteen"};
#define ASK(request)                                                                               \
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)                                      \
    show(fd, #request, request, names[i], -1)
  ASK(SIOCGIFINDEX);
  ASK(SIOCGIFFLAGS);
  ASK(SIOCGIFADDR);
  ASK(SIOCGIFDSTADDR);
  ASK(SIOCGIFNETMASK);
  ASK(SIOCGIFBRDADDR);
  ASK(SIOCGIFMTU);
  ASK(SIOCGIFHWADDR);
  ASK(SIOCGIFTXQLEN);
  ASK(SIOCGIFMETRIC);
  ASK(SIOCGIFMAP);
  for (int i = 0; i < 3; i++) show(fd, "SIOCGIFNAME", SIOCGIFNAME, "", i);
  show(fd, "SIOCSIFMTU", SIOCSIFMTU, "lo", -1);
  show(fd, "SIOCSIFFLAGS", SIOCSIFFLAGS, "lo", -1);
  show(fd, "SIOCSIFADDR", SIOCSIFADDR, "lo", -1);
  show(fd, "SIOCSIFHWADDR", SIOCSIFHWADDR, "lo", -1);
  SHOW(ioctl(fd, SIOCGIFFLAGS, (void *)8));
  struct ifreq list[3];
  for (int room = 0; room < 5; room++) {
    struct ifconf c;
    memset(&c, 0, sizeof c);
    c.ifc_len = room == 4 ? -1 : room * 40;
    c.ifc_req = room == 0 ? NULL : list;
    memset(list, 0x55, sizeof list);
    SHOW(ioctl(fd, SIOCGIFCONF, &c));
    printf("length %d\n", c.ifc_len);
    for (int i = 0; c.ifc_req && i < c.ifc_len / (int)sizeof *list; i++) {
      struct sockaddr_in *a = (void *)&list[i].ifr_addr;
      printf("%s %d %s\n", list[i].ifr_name, a->sin_family, inet_ntoa(a->sin_addr));
    }
  }
  SHOW(ioctl(fd, SIOCGIFCONF, (void *)8));
}

static void library(void) {
  char name[IF_NAMESIZE];
  SHOW(if_nametoindex("lo"));
  SHOW(if_nametoindex("eth0"));
  printf("%s\n", if_indextoname(1, name) ? name : "none");
  printf("%s\n", if_indextoname(2, name) ? name : "none");
}

static void print_file(const char *path) {
  char line[1000];
  FILE *f = fopen(path, "r");
  printf("%s:%s\n", path, f ? "" : " not there");
  while (f && fgets(line, sizeof line, f)) printf("%s", line);
  if (f) fclose(f);
}

/* Rows of sockets without what differs: their place in a table, ports given, pointers, counts. */
static void print_sockets(const char *path, int columns) {
  char line[1000];
  FILE *f = fopen(path, "r");
  printf("%s:\n", path);
  for (int row = 0; f && fgets(line, sizeof line, f); row++) {
    /* Other rows are as long as the inode's number. */
    if (row == 0 || !strcmp(path, "/proc/net/tcp")) printf("%d: ", (int)strlen(line));
    char *save, *word = strtok_r(line, " \n", &save);
    for (int i = 0; word && (row == 0 || i < columns); i++, word = strtok_r(NULL, " \n", &save)) {
      char *colon = strchr(word, ':');
      if (row > 0 && (i == 9 || i == 11)) continue; /* inode and pointer */
      if (row > 0 && i == 0) printf("N: ");
      else if (row > 0 && colon && strlen(colon) == 5 && strtol(colon + 1, NULL, 16) > 30000)
        printf("%.*s:PORT ", (int)(colon - word), word);
      else printf("%s ", word);
    }
    printf("\n");
  }
  if (f) fclose(f);
}

static void sockets(void) {
  /* Up to the transmit queue, and the user. */
  print_sockets("/proc/net/tcp", 9);
  int v4 = must(socket(AF_INET, SOCK_STREAM, 0)), v6 = must(socket(AF_INET6, SOCK_STREAM, 0));
  struct sockaddr_in a = {AF_INET, htons(5555), {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in6 b = {AF_INET6, htons(5556)};
  must(bind(v4, (void *)&a, sizeof a));
  must(bind(v6, (void *)&b, sizeof b));
  print_sockets("/proc/net/tcp", 9);
  must(listen(v4, 3));
  must(listen(v6, 3));
  int c4 = must(socket(AF_INET, SOCK_STREAM, 0));
  print_sockets("/proc/net/tcp", 17);
  print_sockets("/proc/net/tcp6", 9);
  must(connect(c4, (void *)&a, sizeof a));
  print_sockets("/proc/net/tcp6", 9);
  close(v4);
  close(v6);
  close(c4);
  int u4 = must(socket(AF_INET, SOCK_DGRAM, 0)), u6 = must(socket(AF_INET6, SOCK_DGRAM, 0));
  print_sockets("/proc/net/udp", 9);
  must(bind(u4, (void *)&a, sizeof a));
  b.sin6_addr = in6addr_loopback;
  must(connect(u6, (void *)&b, sizeof b));
  print_sockets("/proc/net/udp", 9);
  print_sockets("/proc/net/udp6", 9);
  close(u4), close(u6);
}

static void unix_sockets(void) {
  print_sockets("/proc/net/unix", 9);
  int s = must(socket(AF_UNIX, SOCK_DGRAM, 0));
  print_sockets("/proc/net/unix", 6);
  close(s);
  s = must(socket(AF_UNIX, SOCK_STREAM, 0));
  struct sockaddr_un name = {AF_UNIX, "listed"};
  must(bind(s, (void *)&name, sizeof name));
  must(listen(s, 1));
  char line[300];
  FILE *f = fopen("/proc/net/unix", "r");
  struct stat status;
  fstat(s, &status);
  while (fgets(line, sizeof line, f)) {
    unsigned long pointer, references, protocol, flags, type, state, inode;
    char path[100] = "";
    if (sscanf(line, "%lx: %lx %lx %lx %lx %lx %lu %99s", &pointer, &references, &protocol, &flags,
               &type, &state, &inode, path) == 8)
      printf("%lu %lu %lx %lx %lu %d %s\n", references, protocol, flags, type, state,
             inode == status.st_ino, path);
  }
  fclose(f);
  close(s);
}

static void system_files(void) {
  static const char *names[] = {"addr_assign_type", "addr_len", "address", "broadcast", "carrier",
                                "dev_id", "dev_port", "dormant", "flags", "ifindex", "iflink",
                                "link_mode", "mtu", "name_assign_type", "netdev_group", "operstate",
                                "proto_down", "tx_queue_len", "type", "uevent",
                                "statistics/collisions", "statistics/multicast",
                                "statistics/rx_errors", "statistics/tx_dropped", "absent"};
  char path[100], target[100];
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "/sys/class/net/lo/%s", names[i]);
    print_file(path);
  }
  DIR *d = opendir("/sys/class/net");
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.') printf("%s type %d\n", e->d_name, e->d_type);
  if (d) closedir(d);
  ssize_t length = readlink("/sys/class/net/lo", target, sizeof target);
  printf("%.*s\n", (int)length, target);
}

int main(void) {
  /* Before anything was sent: nothing is counted yet. */
  print_file("/proc/net/dev");
  print_file("/proc/self/net/dev");
  print_file("/proc/net/if_inet6");
  print_file("/proc/net/route");
  print_file("/proc/net/arp");
  ioctls("AF_INET", must(socket(AF_INET, SOCK_DGRAM, 0)));
  ioctls("AF_INET stream", must(socket(AF_INET, SOCK_STREAM, 0)));
  ioctls("AF_INET6", must(socket(AF_INET6, SOCK_DGRAM, 0)));
  ioctls("AF_UNIX", must(socket(AF_UNIX, SOCK_STREAM, 0)));
  library();
  for (int fd = 3; fd < 20; fd++) close(fd);
  sockets();
  unix_sockets();
  system_files();
  return 0;
}
