/* glibc's checked functions (debug/ in glibc; LSB 5.0, "Checked functions"): the plain ones of musl, after
   a look at the destination's size. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>
#include <wchar.h>

__attribute__ ((noreturn)) void __chk_fail (void)
{
  static const char text[] = "*** buffer overflow detected ***: terminated\n";
  write (2, text, sizeof text - 1);
  abort ();
}

static void check (size_t need, size_t have)
{
  if (need > have) __chk_fail ();
}

/* Formatted output. The flag asks for a check of %n, which musl does not have. */

#define FORWARD(call) \
  va_list list; \
  va_start (list, format); \
  int result = call; \
  va_end (list); \
  return result

int __vprintf_chk (int flag, const char *format, va_list list) { return vprintf (format, list); }
int __vfprintf_chk (FILE *file, int flag, const char *format, va_list list)
{
  return vfprintf (file, format, list);
}
int __vdprintf_chk (int fd, int flag, const char *format, va_list list)
{
  return vdprintf (fd, format, list);
}
int __vasprintf_chk (char **to, int flag, const char *format, va_list list)
{
  return vasprintf (to, format, list);
}
int __vsnprintf_chk (char *to, size_t size, int flag, size_t have, const char *format, va_list list)
{
  check (size, have);
  return vsnprintf (to, size, format, list);
}
int __vsprintf_chk (char *to, int flag, size_t have, const char *format, va_list list)
{
  if (have > 0x7fffffff) return vsprintf (to, format, list);
  int length = vsnprintf (to, have, format, list);
  if (length >= 0) check ((size_t) length + 1, have);
  return length;
}
int __printf_chk (int flag, const char *format, ...) { FORWARD (vprintf (format, list)); }
int __fprintf_chk (FILE *file, int flag, const char *format, ...)
{
  FORWARD (vfprintf (file, format, list));
}
int __dprintf_chk (int fd, int flag, const char *format, ...)
{
  FORWARD (vdprintf (fd, format, list));
}
int __asprintf_chk (char **to, int flag, const char *format, ...)
{
  FORWARD (vasprintf (to, format, list));
}
int __snprintf_chk (char *to, size_t size, int flag, size_t have, const char *format, ...)
{
  FORWARD (__vsnprintf_chk (to, size, flag, have, format, list));
}
int __sprintf_chk (char *to, int flag, size_t have, const char *format, ...)
{
  FORWARD (__vsprintf_chk (to, flag, have, format, list));
}
void __vsyslog_chk (int priority, int flag, const char *format, va_list list)
{
  vsyslog (priority, format, list);
}
void __syslog_chk (int priority, int flag, const char *format, ...)
{
  va_list list;
  va_start (list, format);
  vsyslog (priority, format, list);
  va_end (list);
}
int __swprintf_chk (wchar_t *to, size_t size, int flag, size_t have, const wchar_t *format, ...)
{
  check (size, have);
  FORWARD (vswprintf (to, size, format, list));
}

/* Memory and strings. */

void *__memcpy_chk (void *to, const void *from, size_t size, size_t have)
{
  check (size, have);
  return memcpy (to, from, size);
}
void *__mempcpy_chk (void *to, const void *from, size_t size, size_t have)
{
  check (size, have);
  return (char *) memcpy (to, from, size) + size;
}
void *__memmove_chk (void *to, const void *from, size_t size, size_t have)
{
  check (size, have);
  return memmove (to, from, size);
}
void *__memset_chk (void *to, int value, size_t size, size_t have)
{
  check (size, have);
  return memset (to, value, size);
}
void __explicit_bzero_chk (void *to, size_t size, size_t have)
{
  check (size, have);
  explicit_bzero (to, size);
}
char *__strcpy_chk (char *to, const char *from, size_t have)
{
  check (strlen (from) + 1, have);
  return strcpy (to, from);
}
char *__stpcpy_chk (char *to, const char *from, size_t have)
{
  check (strlen (from) + 1, have);
  return stpcpy (to, from);
}
char *__strncpy_chk (char *to, const char *from, size_t size, size_t have)
{
  check (size, have);
  return strncpy (to, from, size);
}
char *__stpncpy_chk (char *to, const char *from, size_t size, size_t have)
{
  check (size, have);
  return stpncpy (to, from, size);
}
char *__strcat_chk (char *to, const char *from, size_t have)
{
  check (strlen (to) + strlen (from) + 1, have);
  return strcat (to, from);
}
char *__strncat_chk (char *to, const char *from, size_t size, size_t have)
{
  check (strlen (to) + strnlen (from, size) + 1, have);
  return strncat (to, from, size);
}
wchar_t *__wmemcpy_chk (wchar_t *to, const wchar_t *from, size_t size, size_t have)
{
  check (size, have);
  return wmemcpy (to, from, size);
}
wchar_t *__wcscpy_chk (wchar_t *to, const wchar_t *from, size_t have)
{
  check (wcslen (from) + 1, have);
  return wcscpy (to, from);
}
size_t __mbstowcs_chk (wchar_t *to, const char *from, size_t size, size_t have)
{
  check (size, have);
  return mbstowcs (to, from, size);
}
size_t __wcstombs_chk (char *to, const wchar_t *from, size_t size, size_t have)
{
  check (size, have);
  return wcstombs (to, from, size);
}
size_t __mbsrtowcs_chk (wchar_t *to, const char **from, size_t size, mbstate_t *state, size_t have)
{
  check (size, have);
  return mbsrtowcs (to, from, size, state);
}
size_t __wcrtomb_chk (char *to, wchar_t value, mbstate_t *state, size_t have)
{
  check (MB_CUR_MAX, have);
  return wcrtomb (to, value, state);
}

/* Files and system calls. */

char *__fgets_chk (char *to, size_t have, int size, FILE *file)
{
  check (size < 0 ? 0 : (size_t) size, have);
  return fgets (to, size, file);
}
size_t __fread_chk (void *to, size_t have, size_t size, size_t count, FILE *file)
{
  check (size * count, have);
  return fread (to, size, count, file);
}
size_t __fread_unlocked_chk (void *to, size_t have, size_t size, size_t count, FILE *file)
{
  check (size * count, have);
  return fread (to, size, count, file);
}
ssize_t __read_chk (int fd, void *to, size_t size, size_t have)
{
  check (size, have);
  return read (fd, to, size);
}
ssize_t __pread_chk (int fd, void *to, size_t size, off_t offset, size_t have)
{
  check (size, have);
  return pread (fd, to, size, offset);
}
ssize_t __pread64_chk (int fd, void *to, size_t size, off_t offset, size_t have)
{
  return __pread_chk (fd, to, size, offset, have);
}
ssize_t __recv_chk (int fd, void *to, size_t size, size_t have, int flags)
{
  check (size, have);
  return recv (fd, to, size, flags);
}
ssize_t __recvfrom_chk (int fd, void *to, size_t size, size_t have, int flags,
                        struct sockaddr *from, socklen_t *length)
{
  check (size, have);
  return recvfrom (fd, to, size, flags, from, length);
}
int __poll_chk (struct pollfd *list, nfds_t count, int timeout, size_t have)
{
  check (count * sizeof *list, have);
  return poll (list, count, timeout);
}
ssize_t __readlink_chk (const char *path, char *to, size_t size, size_t have)
{
  check (size, have);
  return readlink (path, to, size);
}
ssize_t __readlinkat_chk (int fd, const char *path, char *to, size_t size, size_t have)
{
  check (size, have);
  return readlinkat (fd, path, to, size);
}
char *__getcwd_chk (char *to, size_t size, size_t have)
{
  check (size, have);
  return getcwd (to, size);
}
char *__realpath_chk (const char *path, char *to, size_t have)
{
  check (4096, have);
  return realpath (path, to);
}
int __gethostname_chk (char *to, size_t size, size_t have)
{
  check (size, have);
  return gethostname (to, size);
}
int __getgroups_chk (int size, gid_t *to, size_t have)
{
  check (size < 0 ? 0 : (size_t) size * sizeof *to, have);
  return getgroups (size, to);
}
int __ttyname_r_chk (int fd, char *to, size_t size, size_t have)
{
  check (size, have);
  return ttyname_r (fd, to, size);
}
long __fdelt_chk (long fd)
{
  if (fd < 0 || fd >= FD_SETSIZE) __chk_fail ();
  return fd / (8 * (long) sizeof (long));
}
