/* IPv4 and IPv6 on the loopback: names, conflicts, one family by the other, errors told later. */
#include "../../fs/programs/check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef union {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} name;

static socklen_t set(name *n, const char *host, int port) {
  memset(n, 0, sizeof *n);
  if (inet_pton(AF_INET, host, &n->v4.sin_addr) == 1) {
    n->v4.sin_family = AF_INET;
    n->v4.sin_port = htons(port);
    return sizeof n->v4;
  }
  inet_pton(AF_INET6, host, &n->v6.sin6_addr);
  n->v6.sin6_family = AF_INET6;
  n->v6.sin6_port = htons(port);
  return sizeof n->v6;
}

static int port_of(const name *n) {
  return ntohs(n->any.sa_family == AF_INET ? n->v4.sin_port : n->v6.sin6_port);
}

/* Ports are printed by what is known of them: they are not the same twice. */
static int known;

static void print(const char *what, const name *n, socklen_t size) {
  char host[64] = "?";
  if (n->any.sa_family == AF_INET) inet_ntop(AF_INET, &n->v4.sin_addr, host, sizeof host);
  if (n->any.sa_family == AF_INET6) inet_ntop(AF_INET6, &n->v6.sin6_addr, host, sizeof host);
  int port = port_of(n);
  printf("%s: family %d %s port %s size %d", what, n->any.sa_family, host,
         port == 0 ? "0" : port == known ? "known" : "some", (int)size);
  if (n->any.sa_family == AF_INET6)
    printf(" flow %x scope %x", n->v6.sin6_flowinfo, n->v6.sin6_scope_id);
  printf("\n");
}

static void names(const char *what, int fd) {
  name n;
  socklen_t size = sizeof n;
  memset(&n, 0, sizeof n);
  if (getsockname(fd, &n.any, &size) == 0) print(what, &n, size);
  size = sizeof n;
  if (getpeername(fd, &n.any, &size) == 0) print(" peer", &n, size);
  else printf(" peer: %s\n", strerrorname_np(errno));
}

static int make(int family, int type, int only) {
  int fd = must(socket(family, type, 0)), yes = 1;
  if (only) must(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  return fd;
}

static int family_of(const char *host) { return strchr(host, ':') ? AF_INET6 : AF_INET; }

static int option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  if (getsockopt(fd, level, option, &value, &size) < 0) return -errno;
  return value;
}

static void options(void) {
  int fd = make(AF_INET6, SOCK_STREAM, 0), yes = 7;
  printf("domain %d protocol %d type %d only %d\n", option(fd, SOL_SOCKET, SO_DOMAIN),
         option(fd, SOL_SOCKET, SO_PROTOCOL), option(fd, SOL_SOCKET, SO_TYPE),
         option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
  SHOW(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  printf("only %d\n", option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
  printf("reuse %d\n", option(fd, SOL_SOCKET, SO_REUSEADDR));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_TYPE, &yes, sizeof yes));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_DOMAIN, &yes, sizeof yes));
  name n;
  socklen_t size = set(&n, "::", 0);
  names("unbound", fd);
  SHOW(bind(fd, &n.any, size));
  SHOW(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  close(fd);
  fd = make(AF_INET6, SOCK_DGRAM, 0);
  printf("domain %d protocol %d type %d\n", option(fd, SOL_SOCKET, SO_DOMAIN),
         option(fd, SOL_SOCKET, SO_PROTOCOL), option(fd, SOL_SOCKET, SO_TYPE));
  size = set(&n, "::1", 0);
  SHOW(bind(fd, &n.any, size));
  printf("only %d\n", option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
  close(fd);
  fd = make(AF_INET, SOCK_STREAM, 0);
  printf("domain %d protocol %d\n", option(fd, SOL_SOCKET, SO_DOMAIN),
         option(fd, SOL_SOCKET, SO_PROTOCOL));
  SHOW(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  SHOW(setsockopt(fd, IPPROTO_UDP, 1, &yes, sizeof yes));
  close(fd);
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  SHOW(setsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes));
  SHOW(getsockopt(pair[0], IPPROTO_IPV6, IPV6_V6ONLY, &yes, &size));
  close(pair[0]), close(pair[1]);
  struct linger linger = {3, 9};
  size = sizeof linger;
  fd = make(AF_INET, SOCK_STREAM, 0);
  SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size));
  printf("%d %d %d\n", linger.l_onoff, linger.l_linger, (int)size);
  linger = (struct linger){3, 9};
  SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, 4));
  SHOW(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size));
  printf("%d %d %d\n", linger.l_onoff, linger.l_linger, (int)size);
  close(fd);
  fd = must(socket(AF_UNIX, SOCK_RAW, 0));
  printf("%d\n", option(fd, SOL_SOCKET, SO_TYPE));
  close(fd);
  SHOW(socket(AF_INET6, SOCK_SEQPACKET, 0));
  SHOW(socket(AF_INET6, SOCK_STREAM, IPPROTO_UDP));
  SHOW(socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
  SHOW(socketpair(AF_INET6, SOCK_STREAM, 0, pair));
}

static void binding(int type) {
  static const char *hosts[] = {"127.0.0.1", "127.3.2.1", "0.0.0.0", "::1", "::",
                                "::ffff:127.0.0.1", "::ffff:0.0.0.0", "192.0.2.1", "2001:db8::1",
                                "::ffff:192.0.2.1"};
  enum { COUNT = sizeof hosts / sizeof *hosts };
  name n;
  for (int i = 0; i < COUNT; i++) {
    int fd = make(family_of(hosts[i]), type, 0);
    socklen_t size = set(&n, hosts[i], 0);
    printf("%s ", hosts[i]);
    SHOW(bind(fd, &n.any, size));
    names("bound", fd);
    close(fd);
  }
  /* Which two may have the same port. */
  for (int reuse = 0; reuse < 4; reuse++)
    for (int first = 0; first < 7; first++)
      for (int second = 0; second < 7; second++)
        for (int only = 0; only < 4; only++) {
          int a6 = family_of(hosts[first]) == AF_INET6, b6 = family_of(hosts[second]) == AF_INET6;
          if ((only & 1 && !a6) || (only & 2 && !b6)) continue;
          int a = make(family_of(hosts[first]), type, only & 1);
          int b = make(family_of(hosts[second]), type, only & 2), yes = 1;
          if (reuse == 1 || reuse == 3) {
            must(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
            must(setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
          }
          if (reuse == 2) {
            must(setsockopt(a, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes));
            must(setsockopt(b, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes));
          }
          socklen_t size = set(&n, hosts[first], 0);
          if (bind(a, &n.any, size) == 0) {
            if (reuse == 3 && type == SOCK_STREAM) must(listen(a, 1));
            size = sizeof n;
            must(getsockname(a, &n.any, &size));
            size = set(&n, hosts[second], port_of(&n));
            printf("%d %d %s %s: ", reuse, only, hosts[first], hosts[second]);
            SHOW(bind(b, &n.any, size));
            if (reuse == 3 && type == SOCK_STREAM) SHOW(listen(b, 1));
          } else printf("%d %s not at all: %s\n", only, hosts[first], strerrorname_np(errno));
          close(a), close(b);
        }
}

static void lengths(void) {
  name n;
  int fd = make(AF_INET6, SOCK_STREAM, 0), v4 = make(AF_INET, SOCK_STREAM, 0);
  set(&n, "::1", 0);
  SHOW(bind(fd, &n.any, 23));
  SHOW(bind(v4, &n.any, sizeof n.v6));
  SHOW(connect(v4, &n.any, sizeof n.v6));
  SHOW(bind(fd, &n.any, 24));
  close(v4);
  v4 = make(AF_INET, SOCK_STREAM, 0);
  set(&n, "127.0.0.1", 0);
  SHOW(bind(v4, &n.any, 15));
  n.any.sa_family = AF_UNSPEC;
  SHOW(bind(v4, &n.any, sizeof n.v4));
  n.any.sa_family = AF_INET;
  SHOW(connect(fd, &n.any, sizeof n.v4));
  memset(&n, 0, sizeof n);
  SHOW(bind(v4, &n.any, sizeof n.v4));
  names("unspecified", v4);
  close(fd), close(v4);
}

/* From each host to each, by TCP. */
static void connecting(void) {
  static const char *servers[] = {"127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"};
  static const char *targets[] = {"127.0.0.1", "127.0.0.9", "0.0.0.0", "::1", "::",
                                  "::ffff:127.0.0.1", "::ffff:0.0.0.0"};
  for (int s = 0; s < 6; s++)
    for (int t = 0; t < 7; t++) {
      name n;
      const char *host = servers[s == 5 ? 3 : s];
      int server = make(family_of(host), SOCK_STREAM, s == 5);
      socklen_t size = set(&n, host, 0);
      must(bind(server, &n.any, size));
      must(listen(server, 1));
      must(fcntl(server, F_SETFL, O_NONBLOCK));
      size = sizeof n;
      must(getsockname(server, &n.any, &size));
      known = port_of(&n);
      int client = make(family_of(targets[t]), SOCK_STREAM, 0);
      size = set(&n, targets[t], known);
      printf("%d %s by %s ", s, host, targets[t]);
      SHOW(connect(client, &n.any, size));
      names("client", client);
      int accepted = accept4(server, &n.any, (size = sizeof n, &size), SOCK_NONBLOCK);
      if (accepted >= 0) {
        print("accepted", &n, size);
        names("server", accepted);
        char buffer[8];
        SHOW(send(client, "ab", 2, 0));
        SHOW(recv(accepted, buffer, 8, 0));
        close(accepted);
      }
      close(client), close(server);
    }
  name n;
  static const char *elsewhere[] = {"2001:db8::1", "::ffff:127.0.0.1"};
  int only = make(AF_INET6, SOCK_STREAM, 1), local = make(AF_INET6, SOCK_STREAM, 0);
  socklen_t size = set(&n, "::ffff:127.0.0.1", 9);
  SHOW(connect(only, &n.any, size));
  size = set(&n, "::ffff:127.0.0.1", 0);
  SHOW(bind(local, &n.any, size));
  size = set(&n, "::1", 9);
  SHOW(connect(local, &n.any, size));
  close(only), close(local);
}

static short events(int fd) {
  struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
  poll(&p, 1, 1000);
  return p.revents;
}

/* Connecting without waiting, refusals, peers that have gone. */
static void states(const char *host) {
  name n;
  char buffer[8];
  int server = make(family_of(host), SOCK_STREAM, 0);
  socklen_t size = set(&n, host, 0);
  SHOW(bind(server, &n.any, size));
  SHOW(listen(server, 0));
  SHOW(connect(server, &n.any, size));
  must(getsockname(server, &n.any, &size));
  known = port_of(&n);
  int client = must(socket(family_of(host), SOCK_STREAM | SOCK_NONBLOCK, 0));
  printf("%x\n", events(client));
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  SHOW(recv(client, buffer, 1, 0));
  SHOW(recv(server, buffer, 1, 0));
  SHOW(connect(client, &n.any, size));
  printf("%x\n", events(client));
  printf("error %d\n", option(client, SOL_SOCKET, SO_ERROR));
  names("client", client);
  SHOW(connect(client, &n.any, size));
  SHOW(connect(client, &n.any, size));
  /* The queue is full. */
  int second = must(socket(family_of(host), SOCK_STREAM | SOCK_NONBLOCK, 0));
  SHOW(connect(second, &n.any, size));
  SHOW(connect(second, &n.any, size));
  SHOW(send(second, "x", 1, MSG_NOSIGNAL));
  struct pollfd p = {second, POLLIN | POLLOUT, 0};
  SHOW(poll(&p, 1, 0));
  int accepted = must(accept(server, NULL, NULL));
  /* TCP asks again after a second. */
  SHOW(poll(&p, 1, 5000));
  printf("%x\n", p.revents);
  SHOW(connect(second, &n.any, size));
  int other = must(accept(server, NULL, NULL));
  close(second);
  SHOW(recv(other, buffer, 1, 0));
  close(other);
  /* A peer that has closed. */
  printf("%x\n", events(accepted));
  close(accepted);
  printf("%x\n", events(client));
  SHOW(recv(client, buffer, 8, 0));
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  usleep(20000);
  printf("%x\n", events(client));
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  SHOW(recv(client, buffer, 8, 0));
  close(client);
  close(server);
  /* Nobody. */
  client = make(family_of(host), SOCK_STREAM, 0);
  SHOW(connect(client, &n.any, size));
  names("refused", client);
  printf("%x error %d\n", events(client), option(client, SOL_SOCKET, SO_ERROR));
  close(client);
  for (int ask = 0; ask < 2; ask++) {
    client = must(socket(family_of(host), SOCK_STREAM | SOCK_NONBLOCK, 0));
    SHOW(connect(client, &n.any, size));
    printf("%x\n", events(client));
    if (ask) printf("error %d\n", option(client, SOL_SOCKET, SO_ERROR));
    if (ask) printf("%x\n", events(client));
    SHOW(connect(client, &n.any, size));
    close(client);
  }
}

static void datagrams(void) {
  static const char *servers[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};
  static const char *targets[] = {"127.0.0.1", "::1", "::ffff:127.0.0.1", "::"};
  char buffer[16];
  name n, from;
  for (int s = 0; s < 4; s++)
    for (int t = 0; t < 8; t++) {
      int server = must(socket(family_of(servers[s]), SOCK_DGRAM | SOCK_NONBLOCK, 0));
      socklen_t size = set(&n, servers[s], 0);
      must(bind(server, &n.any, size));
      must(getsockname(server, &n.any, (size = sizeof n, &size)));
      known = port_of(&n);
      const char *target = targets[t & 3];
      /* IPv4 addresses from a socket of IPv6, too. */
      int client = make(t < 4 ? family_of(target) : AF_INET6, SOCK_DGRAM, 0);
      size = set(&n, target, known);
      printf("%s by %s from %s ", servers[s], target, t < 4 ? "its family" : "IPv6");
      SHOW(sendto(client, "udp", 3, 0, &n.any, size));
      memset(&from, 0, sizeof from);
      size = sizeof from;
      SHOW(recvfrom(server, buffer, 16, 0, &from.any, &size));
      if (from.any.sa_family != 0) {
        print("from", &from, size);
        SHOW(sendto(server, "answer", 6, 0, &from.any, size));
        SHOW(recvfrom(client, buffer, 16, MSG_DONTWAIT, &from.any, &size));
        print("answer from", &from, size);
      }
      size = set(&n, target, known);
      SHOW(connect(client, &n.any, size));
      names("connected", client);
      SHOW(send(client, "more", 4, 0));
      SHOW(recv(server, buffer, 16, 0));
      n.any.sa_family = AF_UNSPEC;
      SHOW(connect(client, &n.any, size));
      names("disconnected", client);
      close(client), close(server);
    }
}

/* A connected socket hears of ports that nobody has, and takes from its peer alone. */
static void connected(const char *host) {
  char buffer[16];
  name n, m;
  int a = make(family_of(host), SOCK_DGRAM, 0), b = make(family_of(host), SOCK_DGRAM, 0),
      c = must(socket(family_of(host), SOCK_DGRAM | SOCK_NONBLOCK, 0));
  socklen_t size = set(&n, host, 0);
  must(bind(a, &n.any, size));
  must(bind(c, &n.any, size));
  must(getsockname(a, &n.any, &size));
  must(getsockname(c, &m.any, &size));
  SHOW(connect(c, &n.any, size));
  SHOW(sendto(b, "stranger", 8, 0, &m.any, size));
  SHOW(recv(c, buffer, 16, 0));
  SHOW(sendto(a, "friend", 6, 0, &m.any, size));
  SHOW(recv(c, buffer, 16, 0));
  close(a);
  SHOW(send(c, "x", 1, 0));
  SHOW(send(c, "x", 1, 0));
  SHOW(send(c, "x", 1, 0));
  printf("%x\n", events(c));
  printf("error %d\n", option(c, SOL_SOCKET, SO_ERROR));
  SHOW(send(c, "x", 1, 0));
  SHOW(recv(c, buffer, 16, 0));
  SHOW(recv(c, buffer, 16, 0));
  SHOW(sendto(b, "x", 1, 0, &n.any, size));
  SHOW(sendto(b, "x", 1, 0, &n.any, size));
  size = set(&n, host, 0);
  SHOW(sendto(b, "x", 1, 0, &n.any, size));
  SHOW(send(make(family_of(host), SOCK_DGRAM, 0), "x", 1, 0));
  static char large[66000];
  SHOW(sendto(b, large, sizeof large, 0, &m.any, size));
  close(b), close(c);
}

/* Shutting a socket down that is not connected wakes who waits on it. */
static void shutting(int family, int type, int how) {
  char buffer[8];
  struct sockaddr_un path = {AF_UNIX, "shut"};
  name n;
  socklen_t size = set(&n, family == AF_INET6 ? "::1" : "127.0.0.1", 0);
  int fd = must(socket(family, type, 0));
  unlink("shut");
  must(family == AF_UNIX ? bind(fd, (void *)&path, sizeof path) : bind(fd, &n.any, size));
  if (type == SOCK_STREAM) must(listen(fd, 2));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    long result = type == SOCK_STREAM ? accept(fd, NULL, NULL) : recv(fd, buffer, 8, 0);
    _exit(result < 0 ? errno : 100 + result);
  }
  usleep(50000);
  int client = must(socket(family, type, 0));
  if (how != SHUT_WR) {
    printf("%d %d %d ", family, type, how);
    SHOW(shutdown(fd, how));
  } else {
    SHOW(shutdown(fd, how));
    kill(child, SIGKILL);
  }
  int status;
  waitpid(child, &status, 0);
  printf("woken with %x, events %x\n", status, events(fd));
  if (family != AF_UNIX) getsockname(fd, &n.any, &size);
  SHOW(family == AF_UNIX ? connect(client, (void *)&path, sizeof path) : connect(client, &n.any, size));
  close(client), close(fd);
  client = must(socket(family, type, 0));
  SHOW(shutdown(client, how));
  printf("%x\n", events(client));
  SHOW(send(client, "x", 1, MSG_NOSIGNAL));
  close(client);
}

int main(void) {
  options();
  binding(SOCK_STREAM);
  binding(SOCK_DGRAM);
  lengths();
  connecting();
  states("127.0.0.1");
  states("::1");
  for (int how = 0; how < 3; how++) {
    shutting(AF_INET, SOCK_STREAM, how);
    shutting(AF_INET6, SOCK_DGRAM, how);
    shutting(AF_UNIX, SOCK_STREAM, how);
    shutting(AF_UNIX, SOCK_DGRAM, how);
  }
  fflush(stdout);
  datagrams();
  connected("127.0.0.1");
  connected("::1");
  return 0;
}
