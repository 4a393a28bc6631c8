/* AF_UNIX and AF_INET within the machine. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void pairs(void) {
  int pair[2];
  char buffer[64] = {0};
  SHOW(socketpair(AF_INET, SOCK_STREAM, 0, pair));
  SHOW(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  SHOW(recv(pair[0], buffer, 64, 0));
  SHOW(send(pair[0], "hello", 5, 0));
  SHOW(recv(pair[1], buffer, 64, MSG_PEEK));
  SHOW(recv(pair[1], buffer, 2, 0));
  SHOW(recv(pair[1], buffer, 64, 0));
  SHOW(shutdown(pair[0], SHUT_WR));
  SHOW(recv(pair[1], buffer, 64, 0));
  SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
  SHOW(send(pair[1], "back", 4, 0));
  SHOW(recv(pair[0], buffer, 64, 0));
  struct pollfd p = {pair[1], POLLIN | POLLOUT | POLLRDHUP, 0};
  SHOW(poll(&p, 1, 0));
  printf("%x\n", p.revents);
  close(pair[0]);
  SHOW(poll(&p, 1, 0));
  printf("%x\n", p.revents);
  SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
  SHOW(recv(pair[1], buffer, 64, 0));
  SHOW(lseek(pair[1], 0, SEEK_SET));
  close(pair[1]);

  SHOW(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  SHOW(send(pair[0], "first", 5, 0));
  SHOW(send(pair[0], "second", 6, 0));
  SHOW(recv(pair[1], buffer, 3, MSG_TRUNC));
  SHOW(recv(pair[1], buffer, 64, 0));
  close(pair[0]);
  SHOW(recv(pair[1], buffer, 64, 0));
  close(pair[1]);

  SHOW(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  SHOW(send(pair[0], "", 0, 0));
  SHOW(send(pair[0], "datagram", 8, 0));
  SHOW(recv(pair[1], buffer, 64, 0));
  SHOW(recv(pair[1], buffer, 64, 0));
  SHOW(recv(pair[1], buffer, 64, MSG_DONTWAIT));
  close(pair[0]);
  SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
  close(pair[1]);
  SHOW(socket(AF_UNIX, 99, 0));
  SHOW(socket(250, SOCK_STREAM, 0));
  SHOW(socket(AF_UNIX, SOCK_STREAM, 77));
  SHOW(recv(0, buffer, 1, 0));
  SHOW(recv(99, buffer, 1, 0));
}

static void files(void) {
  int pair[2];
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  int file = must(open("sent", O_CREAT | O_RDWR | O_TRUNC, 0644));
  must((int)write(file, "contents", 8));
  char data[16] = "data", control[64];
  struct iovec vector = {data, 4};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = CMSG_SPACE(sizeof(int))};
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &file, sizeof file);
  SHOW(send(pair[0], "before", 6, 0));
  SHOW(sendmsg(pair[0], &message, 0));
  SHOW(send(pair[0], "after", 5, 0));
  close(file);
  vector.iov_len = sizeof data;
  message.msg_controllen = sizeof control;
  SHOW(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
  printf("control %ld flags %x\n", (long)message.msg_controllen, message.msg_flags);
  c = CMSG_FIRSTHDR(&message);
  int received = -1;
  if (c != NULL) memcpy(&received, CMSG_DATA(c), sizeof received);
  printf("type %d length %ld\n", c ? c->cmsg_type : -1, c ? (long)c->cmsg_len : -1L);
  char text[16] = {0};
  SHOW(fcntl(received, F_GETFD));
  SHOW(pread(received, text, 8, 0));
  printf("%s\n", text);
  struct ucred who;
  socklen_t size = sizeof who;
  SHOW(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &size));
  printf("%d %d\n", who.pid == getpid(), who.uid == getuid());
  close(received), close(pair[0]), close(pair[1]);
}

static socklen_t path_name(struct sockaddr_un *name, const char *path) {
  memset(name, 0, sizeof *name);
  name->sun_family = AF_UNIX;
  strcpy(name->sun_path, path);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static void servers(void) {
  struct sockaddr_un name, got;
  socklen_t length = path_name(&name, "socket"), size = sizeof got;
  int server = must(socket(AF_UNIX, SOCK_STREAM, 0));
  int client = must(socket(AF_UNIX, SOCK_STREAM, 0));
  SHOW(connect(client, (struct sockaddr *)&name, length));
  SHOW(listen(server, 5));
  SHOW(bind(server, (struct sockaddr *)&name, length));
  SHOW(bind(client, (struct sockaddr *)&name, length));
  SHOW(connect(client, (struct sockaddr *)&name, length));
  SHOW(listen(server, 5));
  SHOW(accept4(server, NULL, NULL, 1));
  SHOW(connect(client, (struct sockaddr *)&name, length));
  SHOW(connect(client, (struct sockaddr *)&name, length));
  struct pollfd p = {server, POLLIN, 0};
  SHOW(poll(&p, 1, 0));
  int accepted = must(accept(server, (struct sockaddr *)&got, &size));
  printf("peer name %d\n", (int)size);
  size = sizeof got;
  SHOW(getsockname(accepted, (struct sockaddr *)&got, &size));
  printf("%d %s\n", (int)size, got.sun_path);
  char buffer[16] = {0};
  SHOW(write(client, "question", 8));
  SHOW(read(accepted, buffer, 16));
  SHOW(write(accepted, "answer", 6));
  close(accepted);
  SHOW(read(client, buffer, 16));
  SHOW(read(client, buffer, 16));
  close(client);
  struct stat s;
  SHOW(stat("socket", &s));
  printf("%o\n", s.st_mode & S_IFMT);
  SHOW(open("socket", O_RDWR));
  close(server);
  client = must(socket(AF_UNIX, SOCK_STREAM, 0));
  SHOW(connect(client, (struct sockaddr *)&name, length));
  length = path_name(&name, "sent");
  SHOW(connect(client, (struct sockaddr *)&name, length));
  close(client);
  SHOW(unlink("socket"));
}

static void internet(void) {
  int server = must(socket(AF_INET, SOCK_STREAM, 0)), yes = 1;
  SHOW(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
  SHOW(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes));
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, got;
  socklen_t size = sizeof got;
  SHOW(bind(server, (struct sockaddr *)&name, sizeof name));
  SHOW(bind(server, (struct sockaddr *)&name, sizeof name));
  SHOW(listen(server, 3));
  SHOW(getsockname(server, (struct sockaddr *)&got, &size));
  printf("port given %d size %d\n", got.sin_port != 0, (int)size);
  int type = 0;
  size = sizeof type;
  SHOW(getsockopt(server, SOL_SOCKET, SO_TYPE, &type, &size));
  printf("%d\n", type);
  SHOW(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &type, &size));
  printf("%d\n", type);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int client = must(socket(AF_INET, SOCK_STREAM, 0));
    if (connect(client, (struct sockaddr *)&got, sizeof got) < 0) _exit(1);
    static char block[500000];
    memset(block, 'q', sizeof block);
    if (send(client, block, sizeof block, 0) != sizeof block) _exit(2);
    shutdown(client, SHUT_WR);
    char answer[8];
    _exit(recv(client, answer, 8, MSG_WAITALL) == 8 ? 0 : 3);
  }
  int accepted = must(accept(server, NULL, NULL));
  long total = 0, count;
  char buffer[10000];
  while ((count = read(accepted, buffer, sizeof buffer)) > 0) total += count;
  printf("received %ld\n", total);
  SHOW(send(accepted, "1234", 4, 0));
  usleep(1000);
  SHOW(send(accepted, "5678", 4, 0));
  int status;
  waitpid(child, &status, 0);
  printf("child %x\n", status);
  close(accepted);
  close(server);
  int client = must(socket(AF_INET, SOCK_STREAM, 0));
  SHOW(connect(client, (struct sockaddr *)&got, sizeof got));
  SHOW(getpeername(client, (struct sockaddr *)&got, &size));
  close(client);

  int a = must(socket(AF_INET, SOCK_DGRAM, 0)), b = must(socket(AF_INET, SOCK_DGRAM, 0));
  SHOW(bind(a, (struct sockaddr *)&name, sizeof name));
  size = sizeof got;
  SHOW(getsockname(a, (struct sockaddr *)&got, &size));
  SHOW(sendto(b, "udp", 3, 0, (struct sockaddr *)&got, size));
  struct sockaddr_in from;
  size = sizeof from;
  SHOW(recvfrom(a, buffer, 100, 0, (struct sockaddr *)&from, &size));
  printf("from loopback %d\n", ntohl(from.sin_addr.s_addr) == INADDR_LOOPBACK);
  SHOW(sendto(a, "reply", 5, 0, (struct sockaddr *)&from, size));
  SHOW(recv(b, buffer, 100, 0));
  SHOW(send(b, "x", 1, 0));
  SHOW(connect(b, (struct sockaddr *)&got, sizeof got));
  SHOW(send(b, "connected", 9, 0));
  SHOW(recv(a, buffer, 4, MSG_TRUNC));
  close(a), close(b);
}

int main(void) {
  pairs();
  files();
  servers();
  fflush(stdout);
  internet();
  return 0;
}
