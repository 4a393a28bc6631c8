/* Calls that name sockets: their printing by strace is compared with the machine's. */
#include <asm/unistd.h>
#include "guest.h"

typedef struct {
  u16 family, port;
  u8 rest[124];
} address;

/* The port is in network order. */
static address v4 = {2, 0x5000, {127, 0, 0, 1}}, v6 = {10, 0x901f}, path = {1}, link = {16};

static int make(int family, int type, int protocol) {
  return (int)SYSTEM_CALL(__NR_socket, family, type, protocol);
}

int main(void) {
  SYSTEM_CALL(__NR_close_range, 3, 99, 0);
  int stream = make(2, 1, 0);
  make(2, 2 | 02000000, 17);
  int six = make(10, 1, 6);
  int datagram = make(10, 2, 0);
  int local = make(1, 1, 0);
  SYSTEM_CALL(__NR_connect, stream, &v4, 16);
  SYSTEM_CALL(__NR_connect, six, &v6, 28);
  v6.rest[4 + 15] = 1;
  SYSTEM_CALL(__NR_bind, six, &v6, 28);
  SYSTEM_CALL(__NR_bind, six, &v6, 24);
  v6.rest[3] = 9;
  SYSTEM_CALL(__NR_sendto, datagram, "x", 1, 0x4000, &v6, 28);
  v6.rest[4] = 0x20, v6.rest[5] = 1, v6.rest[6] = 0xd, v6.rest[7] = 0xb8, v6.rest[4 + 11] = 5;
  v6.rest[4 + 7] = 9;
  SYSTEM_CALL(__NR_sendto, 99, "x", 1, 0, &v6, 28);
  for (int i = 0; i < 16; i++) v6.rest[4 + i] = i < 10 ? 0 : i < 12 ? 255 : 127;
  SYSTEM_CALL(__NR_bind, datagram, &v6, 28);
  SYSTEM_CALL(__NR_bind, 99, &link, 12);
  SYSTEM_CALL(__NR_bind, 99, NULL, 12);
  static const char name[] = "/nowhere/name";
  for (u64 i = 0; i < sizeof name; i++) ((char *)&path)[2 + i] = name[i];
  SYSTEM_CALL(__NR_connect, local, &path, 2 + sizeof name);
  SYSTEM_CALL(__NR_connect, 99, &path, 2);
  ((char *)&path)[2] = 0;
  SYSTEM_CALL(__NR_connect, local, &path, 6);
  static address got;
  u32 length = sizeof got;
  SYSTEM_CALL(__NR_getsockname, six, &got, &length);
  SYSTEM_CALL(__NR_getsockname, six, &got, &length);
  SYSTEM_CALL(__NR_getpeername, six, &got, &length);
  SYSTEM_CALL(__NR_getsockname, local, &got, &length);
  SYSTEM_CALL(__NR_listen, six, 1);
  SYSTEM_CALL(__NR_fcntl, six, 4, 04000);
  SYSTEM_CALL(__NR_accept4, six, &got, &length, 02000000);
  SYSTEM_CALL(__NR_accept, six, NULL, NULL);
  v6 = (address){10, 0xa11f};
  v6.rest[4 + 15] = 1;
  datagram = make(10, 2, 0);
  SYSTEM_CALL(__NR_bind, datagram, &v6, 28);
  SYSTEM_CALL(__NR_sendto, datagram, "text", 4, 0, &v6, 28);
  length = sizeof got;
  static char text[8];
  SYSTEM_CALL(__NR_recvfrom, datagram, text, 8, 0x40, &got, &length);
  SYSTEM_CALL(__NR_recvfrom, datagram, text, 8, 0x40, &got, &length);
  SYSTEM_CALL(__NR_recvfrom, datagram, text, 8, 0x40, NULL, NULL);
  SYSTEM_CALL(__NR_socket, 16, 3, 0);
  link.port = 0;
  SYSTEM_CALL(__NR_bind, datagram + 1, &link, 12);
  SYSTEM_CALL(__NR_exit_group, 0);
  return 0;
}
