/* NETLINK_ROUTE: what it says of the loopback, and what it refuses. */
#include "../../fs/programs/check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static int fd;
static unsigned own;

typedef struct {
  struct nlmsghdr header;
  char rest[256];
} request;

static void bytes(const unsigned char *at, int length) {
  for (int i = 0; i < length && i < 64; i++) printf("%02x", at[i]);
}

/* The attributes named, in order of their numbers: kernels differ in what else they tell, and when. */
static void attributes(struct rtattr *first, int length, const unsigned char *wanted) {
  for (; *wanted; wanted++) {
    struct rtattr *a = first;
    int left = length;
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
      if ((a->rta_type & NLA_TYPE_MASK) == *wanted) {
        printf("  %d: %d ", *wanted, a->rta_len);
        bytes(RTA_DATA(a), RTA_PAYLOAD(a));
        printf("\n");
      }
  }
}

static const unsigned char of_links[] = {IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU,
                                         IFLA_QDISC, IFLA_TXQLEN, IFLA_MAP, IFLA_OPERSTATE,
                                         IFLA_LINKMODE, IFLA_GROUP, IFLA_PROMISCUITY,
                                         IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_CARRIER,
                                         IFLA_CARRIER_CHANGES, IFLA_PROTO_DOWN, 0};
static const unsigned char of_addresses[] = {IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST,
                                             IFA_FLAGS, 0};
static const unsigned char of_routes[] = {RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC,
                                          RTA_TABLE, RTA_PREF, 0};
static const unsigned char of_rules[] = {FRA_PRIORITY, FRA_TABLE, FRA_SUPPRESS_PREFIXLEN, 0};

static void message(struct nlmsghdr *h) {
  printf("type %d flags %x sequence %u %s\n", h->nlmsg_type, h->nlmsg_flags, h->nlmsg_seq,
         h->nlmsg_pid == own ? "to us" : "to somebody");
  switch (h->nlmsg_type) {
    case NLMSG_ERROR: {
      struct nlmsgerr *e = NLMSG_DATA(h);
      printf(" error %s of type %d length %u, in %u bytes\n",
             e->error ? strerrorname_np(-e->error) : "none", e->msg.nlmsg_type, e->msg.nlmsg_len,
             NLMSG_ALIGN(h->nlmsg_len));
      break;
    }
    case NLMSG_DONE:
      printf(" done %d\n", *(int *)NLMSG_DATA(h));
      break;
    case RTM_NEWLINK: {
      struct ifinfomsg *m = NLMSG_DATA(h);
      printf(" link family %d type %d index %d flags %x change %x\n", m->ifi_family, m->ifi_type,
             m->ifi_index, m->ifi_flags, m->ifi_change);
      attributes(IFLA_RTA(m), IFLA_PAYLOAD(h), of_links);
      break;
    }
    case RTM_NEWADDR: {
      struct ifaddrmsg *m = NLMSG_DATA(h);
      printf(" address family %d prefix %d flags %x scope %d index %d\n", m->ifa_family,
             m->ifa_prefixlen, m->ifa_flags, m->ifa_scope, m->ifa_index);
      attributes(IFA_RTA(m), IFA_PAYLOAD(h), of_addresses);
      break;
    }
    case RTM_NEWROUTE: {
      struct rtmsg *m = NLMSG_DATA(h);
      printf(" route family %d to %d from %d tos %d table %d protocol %d scope %d type %d flags %x\n",
             m->rtm_family, m->rtm_dst_len, m->rtm_src_len, m->rtm_tos, m->rtm_table,
             m->rtm_protocol, m->rtm_scope, m->rtm_type, m->rtm_flags);
      attributes(RTM_RTA(m), RTM_PAYLOAD(h), of_routes);
      break;
    }
    case RTM_NEWRULE: {
      struct rtmsg *m = NLMSG_DATA(h);
      printf(" rule family %d to %d from %d table %d action %d\n", m->rtm_family, m->rtm_dst_len,
             m->rtm_src_len, m->rtm_table, m->rtm_type);
      attributes(RTM_RTA(m), RTM_PAYLOAD(h), of_rules);
      break;
    }
  }
}

/* All that comes; some kernels put the end of a list with the rest and some in a message of its own. */
static void answers(void) {
  static char buffer[65536];
  struct sockaddr_nl from;
  for (;;) {
    struct iovec vector = {buffer, sizeof buffer};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector,
                       .msg_iovlen = 1};
    int length = recvmsg(fd, &m, MSG_DONTWAIT);
    if (length < 0) break;
    if (from.nl_family != AF_NETLINK || from.nl_pid != 0 || from.nl_groups != 0 ||
        m.msg_namelen != sizeof from || m.msg_flags != 0)
      printf("from %d %u %x, %d bytes, flags %x\n", from.nl_family, from.nl_pid, from.nl_groups,
             m.msg_namelen, m.msg_flags);
    for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length))
      message(h);
  }
  printf("%s\n", strerrorname_np(errno));
}

static int sequence = 100;

/* A request of `length` bytes after its header, with an attribute perhaps. */
static void ask(const char *what, int type, int flags, const void *body, int length, int attribute,
                const void *value, int size) {
  request r = {{NLMSG_LENGTH(length), type, NLM_F_REQUEST | flags, sequence++, 0}};
  memcpy(NLMSG_DATA(&r), body, length);
  if (attribute) {
    struct rtattr *a = (void *)((char *)&r + NLMSG_ALIGN(r.header.nlmsg_len));
    a->rta_type = attribute;
    a->rta_len = RTA_LENGTH(size);
    memcpy(RTA_DATA(a), value, size);
    r.header.nlmsg_len = NLMSG_ALIGN(r.header.nlmsg_len) + a->rta_len;
  }
  printf("%s: ", what);
  struct sockaddr_nl kernel = {AF_NETLINK};
  SHOW(sendto(fd, &r, r.header.nlmsg_len, 0, (void *)&kernel, sizeof kernel));
  answers();
}

static void names(void) {
  struct sockaddr_nl n = {0};
  socklen_t size = sizeof n;
  SHOW(getsockname(fd, (void *)&n, &size));
  printf("%d %s groups %x size %d\n", n.nl_family,
         n.nl_pid == getpid() ? "the process" : n.nl_pid == 0 ? "0" : n.nl_pid == 4711 ? "4711" : "other",
         n.nl_groups, (int)size);
  own = n.nl_pid;
  size = sizeof n;
  SHOW(getpeername(fd, (void *)&n, &size));
  printf("%d %u %x\n", n.nl_family, n.nl_pid, n.nl_groups);
}

static int option(int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) < 0 ? -errno : value;
}

static void making(void) {
  SHOW(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE));
  SHOW(socket(AF_NETLINK, SOCK_SEQPACKET, NETLINK_ROUTE));
  SHOW(socket(AF_NETLINK, SOCK_RAW, 4711));
  SHOW(socket(AF_NETLINK, SOCK_RAW, -1));
  SHOW(socket(AF_NETLINK, SOCK_RAW, 31));
  int pair[2];
  SHOW(socketpair(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, pair));
  struct sockaddr_nl n = {AF_NETLINK};
  fd = must(socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE));
  printf("%d %d %d\n", option(SOL_SOCKET, SO_DOMAIN), option(SOL_SOCKET, SO_TYPE),
         option(SOL_SOCKET, SO_PROTOCOL));
  n.nl_pid = 4711;
  SHOW(bind(fd, (void *)&n, sizeof n));
  names();
  SHOW(bind(fd, (void *)&n, sizeof n));
  n.nl_pid = 4712;
  SHOW(bind(fd, (void *)&n, sizeof n));
  int second = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  n.nl_pid = 4711;
  SHOW(bind(second, (void *)&n, sizeof n));
  SHOW(bind(second, (void *)&n, 11));
  n.nl_family = AF_INET;
  SHOW(bind(second, (void *)&n, sizeof n));
  SHOW(listen(second, 1));
  SHOW(accept(second, NULL, NULL));
  SHOW(shutdown(second, SHUT_RDWR));
  close(second), close(fd);
  fd = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  printf("%d %d %d\n", option(SOL_SOCKET, SO_DOMAIN), option(SOL_SOCKET, SO_TYPE),
         option(SOL_SOCKET, SO_PROTOCOL));
  names();
  n.nl_family = AF_NETLINK, n.nl_pid = 0, n.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR;
  SHOW(bind(fd, (void *)&n, sizeof n));
  names();
  int yes = 1;
  SHOW(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes));
  printf("%d\n", option(SOL_NETLINK, NETLINK_EXT_ACK));
  yes = 0;
  SHOW(setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes));
  SHOW(setsockopt(fd, SOL_NETLINK, 99, &yes, sizeof yes));
  printf("%d\n", option(SOL_NETLINK, 99));
  SHOW(setsockopt(fd, IPPROTO_TCP, 1, &yes, sizeof yes));
  /* A second socket of the process has another name. */
  int first = fd;
  fd = must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
  n.nl_groups = 0;
  SHOW(connect(fd, (void *)&n, sizeof n));
  names();
  close(fd);
  fd = first;
  names();
}

static void asking(void) {
  struct rtgenmsg any = {AF_UNSPEC}, v4 = {AF_INET}, v6 = {AF_INET6}, packet = {AF_PACKET};
  ask("links", RTM_GETLINK, NLM_F_DUMP, &any, sizeof any, 0, NULL, 0);
  ask("links of AF_PACKET", RTM_GETLINK, NLM_F_DUMP, &packet, sizeof packet, 0, NULL, 0);
  ask("addresses", RTM_GETADDR, NLM_F_DUMP, &any, sizeof any, 0, NULL, 0);
  ask("addresses of IPv4", RTM_GETADDR, NLM_F_DUMP, &v4, sizeof v4, 0, NULL, 0);
  ask("addresses of IPv6", RTM_GETADDR, NLM_F_DUMP, &v6, sizeof v6, 0, NULL, 0);
  ask("routes", RTM_GETROUTE, NLM_F_DUMP, &any, sizeof any, 0, NULL, 0);
  ask("routes of IPv4", RTM_GETROUTE, NLM_F_DUMP, &v4, sizeof v4, 0, NULL, 0);
  ask("routes of IPv6", RTM_GETROUTE, NLM_F_DUMP, &v6, sizeof v6, 0, NULL, 0);
  ask("rules of IPv4", RTM_GETRULE, NLM_F_DUMP, &v4, sizeof v4, 0, NULL, 0);
  ask("neighbours", RTM_GETNEIGH, NLM_F_DUMP, &any, sizeof any, 0, NULL, 0);
  struct ifinfomsg link = {.ifi_index = 1};
  ask("link 1", RTM_GETLINK, 0, &link, sizeof link, 0, NULL, 0);
  ask("link 1, acknowledged", RTM_GETLINK, NLM_F_ACK, &link, sizeof link, 0, NULL, 0);
  link.ifi_index = 7;
  ask("link 7", RTM_GETLINK, 0, &link, sizeof link, 0, NULL, 0);
  link.ifi_index = 0;
  ask("link 0", RTM_GETLINK, 0, &link, sizeof link, 0, NULL, 0);
  ask("link lo", RTM_GETLINK, 0, &link, sizeof link, IFLA_IFNAME, "lo", 3);
  ask("link eth7", RTM_GETLINK, 0, &link, sizeof link, IFLA_IFNAME, "eth7", 5);
  ask("short link", RTM_GETLINK, 0, &link, 4, 0, NULL, 0);
  ask("nothing", RTM_GETLINK, NLM_F_ACK, &link, 0, 0, NULL, 0);
  struct rtmsg route = {.rtm_family = AF_INET, .rtm_dst_len = 32};
  ask("route to 127.0.0.1", RTM_GETROUTE, 0, &route, sizeof route, RTA_DST, "\x7f\0\0\1", 4);
  ask("route to 192.0.2.1", RTM_GETROUTE, 0, &route, sizeof route, RTA_DST, "\xc0\0\2\1", 4);
  route.rtm_family = AF_INET6, route.rtm_dst_len = 128;
  ask("route to ::1", RTM_GETROUTE, 0, &route, sizeof route, RTA_DST, &in6addr_loopback, 16);
  struct ifaddrmsg address = {AF_INET, 8, 0, 0, 1};
  ask("an address", RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &address, sizeof address, IFA_LOCAL,
      "\x0a\0\0\1", 4);
  link.ifi_index = 1;
  ask("set link", RTM_SETLINK, NLM_F_ACK, &link, sizeof link, 0, NULL, 0);
  ask("new link", RTM_NEWLINK, 0, &link, sizeof link, IFLA_IFNAME, "new0", 5);
  ask("delete link", RTM_DELLINK, 0, &link, sizeof link, 0, NULL, 0);
  ask("new route", RTM_NEWROUTE, 0, &route, sizeof route, 0, NULL, 0);
  ask("beyond", 2000, 0, &link, sizeof link, 0, NULL, 0);
  ask("not a request", NLMSG_NOOP, 0, &link, sizeof link, 0, NULL, 0);
  ask("acknowledged", NLMSG_NOOP, NLM_F_ACK, &link, sizeof link, 0, NULL, 0);
}

/* The parts of a message that recv shows. */
static void receiving(void) {
  request r = {{NLMSG_LENGTH(16), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}};
  char buffer[16];
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  SHOW(poll(&p, 1, 0));
  printf("%x\n", p.revents);
  SHOW(send(fd, &r, r.header.nlmsg_len, 0));
  SHOW(poll(&p, 1, 0));
  printf("%x\n", p.revents);
  long whole = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
  printf("a whole link %d\n", whole > 400);
  struct iovec vector = {buffer, 16};
  struct msghdr m = {.msg_iov = &vector, .msg_iovlen = 1};
  SHOW(recvmsg(fd, &m, MSG_PEEK));
  printf("%x\n", m.msg_flags);
  SHOW(recv(fd, buffer, 16, MSG_TRUNC) == whole);
  answers();
  SHOW(send(fd, &r, 8, 0));
  SHOW(recv(fd, buffer, 16, MSG_DONTWAIT));
  /* Two requests in one message. */
  request two[1];
  struct ifinfomsg link = {.ifi_index = 7};
  for (int i = 0; i < 2; i++) {
    struct nlmsghdr *h = (void *)((char *)two + 32 * i);
    *h = (struct nlmsghdr){NLMSG_LENGTH(sizeof link), RTM_GETLINK, NLM_F_REQUEST, 50 + i, 0};
    memcpy(NLMSG_DATA(h), &link, sizeof link);
  }
  SHOW(send(fd, two, 64, 0));
  answers();
  struct sockaddr_nl other = {AF_NETLINK, 0, 12345, 0};
  SHOW(sendto(fd, two, 32, 0, (void *)&other, sizeof other));
}

static void library(void) {
  struct ifaddrs *list = NULL;
  SHOW(getifaddrs(&list));
  for (struct ifaddrs *i = list; i; i = i->ifa_next) {
    char host[64] = "", mask[64] = "";
    int family = i->ifa_addr ? i->ifa_addr->sa_family : -1;
    if (family == AF_INET || family == AF_INET6) {
      int at = family == AF_INET ? 4 : 8;
      inet_ntop(family, (char *)i->ifa_addr + at, host, sizeof host);
      inet_ntop(family, (char *)i->ifa_netmask + at, mask, sizeof mask);
    }
    printf("%s %x %d %s %s\n", i->ifa_name, i->ifa_flags, family, host, mask);
  }
  freeifaddrs(list);
  struct if_nameindex *names = if_nameindex();
  for (struct if_nameindex *n = names; n && n->if_name; n++) printf("%d %s\n", n->if_index, n->if_name);
}

int main(void) {
  making();
  asking();
  receiving();
  library();
  return 0;
}
