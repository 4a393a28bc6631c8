/* What libc opens libraries for by itself: name services, and character sets. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <iconv.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static void user(const char *name) {
  errno = 0;
  struct passwd *found = getpwnam(name);
  if (found) printf("user %s %d %s %s\n", name, (int)found->pw_uid, found->pw_dir, found->pw_shell);
  else printf("user %s: none, %d\n", name, errno);
}

static void host(const char *name, int family) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM}, *list;
  int error = getaddrinfo(name, "80", &hints, &list);
  if (error) {
    printf("host %s: %s\n", name, gai_strerror(error));
    return;
  }
  for (struct addrinfo *a = list; a; a = a->ai_next) {
    char text[64];
    getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    printf("host %s %s\n", name, text);
  }
  freeaddrinfo(list);
}

static void convert(const char *to, const char *from, const char *text) {
  iconv_t c = iconv_open(to, from);
  if (c == (iconv_t)-1) {
    printf("%s to %s: %s\n", from, to, strerror(errno));
    return;
  }
  char out[200], *in = (char *)text, *at = out;
  size_t left = strlen(text), room = sizeof out;
  size_t lost = iconv(c, &in, &left, &at, &room);
  printf("%s to %s %d:", from, to, (int)lost);
  for (char *p = out; p < at; p++) printf(" %02x", (unsigned char)*p);
  printf(", close %d\n", iconv_close(c));
}

int main(void) {
  printf("configure %d\n", __nss_configure_lookup("passwd", "files own"));
  user("root");
  user("isthmus-own");
  user("nobody");
  user("nosuchuser");
  struct group *group = getgrgid(8);
  printf("group %s\n", group ? group->gr_name : "none");
  printf("users");
  for (struct passwd *p; (p = getpwent());) printf(" %s", p->pw_name);
  endpwent();
  printf("\nconfigure %d\n", __nss_configure_lookup("hosts", "files"));
  host("localhost", AF_INET);
  host("::1", AF_INET6);
  host("nosuchhost.invalid", AF_UNSPEC);
  struct hostent *entry = gethostbyname("localhost");
  printf("entry %s\n", entry ? entry->h_name : "none");
  convert("UTF-16LE", "UTF-8", "a\xc3\xa9\xf0\x9f\x98\x80");
  convert("UTF-8", "ISO-8859-15", "\xa4\xe9");
  convert("EUC-JP", "UTF-8", "\xe6\x97\xa5\xe6\x9c\xac");
  convert("IBM037", "LATIN1", "Hello");
  convert("ASCII//TRANSLIT", "UTF-8", "\xe2\x82\xac");
  convert("ASCII", "UTF-8", "\xe2\x82\xac");
  convert("NOSUCH", "UTF-8", "x");
  return 0;
}
