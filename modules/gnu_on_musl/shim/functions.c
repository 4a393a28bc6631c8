/* Functions that glibc has and musl has not (The GNU C Library manual, Linux man-pages), for the programs
   that use them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libintl.h>
#include <limits.h>
#include <link.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Never told otherwise: code that looks at it takes its locks. */
char __libc_single_threaded = 0;

const char _libc_intl_domainname[] = "libc";

const char *gnu_get_libc_version (void) { return "2.36"; }
const char *gnu_get_libc_release (void) { return "stable"; }

/* Messages of errors. */

unsigned error_message_count;
int error_one_per_line;
void (*error_print_progname) (void);

static void say (int status, int number, const char *format, va_list list)
{
  vfprintf (stderr, format, list);
  error_message_count++;
  if (number != 0) fprintf (stderr, ": %s", strerror (number));
  putc ('\n', stderr);
  fflush (stderr);
  if (status != 0) exit (status);
}

static void begin_message (void)
{
  fflush (stdout);
  if (error_print_progname != NULL) error_print_progname ();
  else fprintf (stderr, "%s:", program_invocation_name);
}

void error (int status, int number, const char *format, ...)
{
  va_list list;
  va_start (list, format);
  begin_message ();
  if (error_print_progname == NULL) putc (' ', stderr);
  say (status, number, format, list);
  va_end (list);
}

void error_at_line (int status, int number, const char *file, unsigned line, const char *format, ...)
{
  static const char *old_file;
  static unsigned old_line;
  if (error_one_per_line) {
    int same = old_line == line && (old_file == file || (old_file && file && !strcmp (old_file, file)));
    if (same) return;
    old_file = file;
    old_line = line;
  }
  va_list list;
  va_start (list, format);
  begin_message ();
  if (file != NULL) fprintf (stderr, "%s:%u: ", file, line);
  else putc (' ', stderr);
  say (status, number, format, list);
  va_end (list);
}

/* Functions that musl has with POSIX's meaning and glibc with its own. */

char *gnu_strerror_r (int number, char *to, size_t size) __asm__ ("strerror_r");
char *gnu_strerror_r (int number, char *to, size_t size) { return strerror (number); }
char *gnu_basename (const char *path) __asm__ ("basename");
char *gnu_basename (const char *path)
{
  const char *slash = strrchr (path, '/');
  return (char *) (slash == NULL ? path : slash + 1);
}

/* Strings, memory, numbers. */

void *rawmemchr (const void *at, int value) { return memchr (at, value, (size_t) -1); }
char *canonicalize_file_name (const char *path) { return realpath (path, NULL); }
size_t malloc_info (int options, FILE *file) { return errno = EINVAL, -1; }
void mtrace (void) {}
void muntrace (void) {}

struct mallinfo2 { size_t numbers[10]; };
struct mallinfo2 mallinfo2 (void) { return (struct mallinfo2) { 0 }; }

int rpmatch (const char *answer)
{
  if (*answer == 'y' || *answer == 'Y') return 1;
  return *answer == 'n' || *answer == 'N' ? 0 : -1;
}

/* argz (envz.h, argz.h). */
int argz_create_sep (const char *text, int separator, char **argz, size_t *length)
{
  size_t size = strlen (text) + 1;
  *argz = NULL;
  *length = 0;
  if (size == 1) return 0;
  char *to = *argz = malloc (size);
  if (to == NULL) return ENOMEM;
  for (; *text != 0; text++) {
    if (*text != separator) *to++ = *text;
    else if (to > *argz && to[-1] != 0) *to++ = 0;
  }
  *to++ = 0;
  *length = to - *argz;
  return 0;
}

void arc4random_buf (void *to, size_t size)
{
  for (char *at = to; size > 0;) {
    ssize_t got = getrandom (at, size, 0);
    if (got < 0 && errno != EINTR) abort ();
    if (got < 0) continue;
    at += got;
    size -= got;
  }
}
unsigned arc4random (void)
{
  unsigned value;
  arc4random_buf (&value, sizeof value);
  return value;
}
unsigned arc4random_uniform (unsigned bound)
{
  if (bound < 2) return 0;
  unsigned least = -bound % bound;
  for (;;) {
    unsigned value = arc4random ();
    if (value >= least) return value % bound;
  }
}

/* System calls without a wrapper in musl. */

int renameat2 (int old_fd, const char *old_path, int fd, const char *path, unsigned flags)
{
  return syscall (SYS_renameat2, old_fd, old_path, fd, path, flags);
}
int statx (int fd, const char *path, int flags, unsigned mask, void *to)
{
  return syscall (SYS_statx, fd, path, flags, mask, to);
}
int close_range (unsigned first, unsigned last, int flags)
{
  return syscall (SYS_close_range, first, last, flags);
}
ssize_t preadv64v2 (int fd, const struct iovec *list, int count, off_t offset, int flags)
{
  return syscall (SYS_preadv2, fd, list, count, offset, 0, flags);
}
ssize_t pwritev64v2 (int fd, const struct iovec *list, int count, off_t offset, int flags)
{
  return syscall (SYS_pwritev2, fd, list, count, offset, 0, flags);
}
int __open_2 (const char *path, int flags) { return open (path, flags); }
int __open64_2 (const char *path, int flags) { return open (path, flags); }
int __openat_2 (int fd, const char *path, int flags) { return openat (fd, path, flags); }
int __openat64_2 (int fd, const char *path, int flags) { return openat (fd, path, flags); }

int scandirat (int fd, const char *path, struct dirent ***list,
               int (*choose) (const struct dirent *),
               int (*compare) (const struct dirent **, const struct dirent **))
{
  char name[64 + PATH_MAX];
  if (fd == AT_FDCWD || path[0] == '/') return scandir (path, list, choose, compare);
  if (snprintf (name, sizeof name, "/proc/self/fd/%d/%s", fd, path) >= (int) sizeof name) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return scandir (name, list, choose, compare);
}

/* Sets of processors. */
cpu_set_t *__sched_cpualloc (size_t count) { return calloc ((count + 63) / 64, 8); }
void __sched_cpufree (cpu_set_t *set) { free (set); }

/* Jumps and threads. */

int sem_clockwait (sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
  struct timespec now, wall;
  clock_gettime (clock, &now);
  clock_gettime (CLOCK_REALTIME, &wall);
  wall.tv_sec += until->tv_sec - now.tv_sec;
  wall.tv_nsec += until->tv_nsec - now.tv_nsec;
  if (wall.tv_nsec < 0) wall.tv_nsec += 1000000000, wall.tv_sec--;
  if (wall.tv_nsec >= 1000000000) wall.tv_nsec -= 1000000000, wall.tv_sec++;
  return sem_timedwait (semaphore, &wall);
}

/* No contexts: programs that can do without are told so. */
int getcontext (void *context) { return errno = ENOSYS, -1; }
int setcontext (const void *context) { return errno = ENOSYS, -1; }
int swapcontext (void *from, const void *to) { return errno = ENOSYS, -1; }
void makecontext (void *context, void (*function) (void), int count, ...) {}

void __longjmp_chk (jmp_buf to, int value) { longjmp (to, value); }
int __register_atfork (void (*prepare) (void), void (*parent) (void), void (*child) (void), void *dso)
{
  return pthread_atfork (prepare, parent, child);
}
int sigsetmask (int mask)
{
  sigset_t next, last;
  sigemptyset (&next);
  for (int i = 1; i < 32; i++) if (mask >> (i - 1) & 1) sigaddset (&next, i);
  if (sigprocmask (SIG_SETMASK, &next, &last) < 0) return -1;
  int old = 0;
  for (int i = 1; i < 32; i++) if (sigismember (&last, i)) old |= 1 << (i - 1);
  return old;
}

/* Destructors of C++ thread_local variables (Itanium C++ ABI, 3.3.6.4), last first. */
struct destructor
{
  void (*function) (void *);
  void *object;
  struct destructor *next;
};
static pthread_key_t destructors;
static pthread_once_t destructors_once = PTHREAD_ONCE_INIT;

static void run_destructors (void *list)
{
  for (struct destructor *one = list; one != NULL;) {
    struct destructor *next = one->next;
    one->function (one->object);
    free (one);
    one = next;
  }
}
static void run_own_destructors (void)
{
  void *list = pthread_getspecific (destructors);
  pthread_setspecific (destructors, NULL);
  run_destructors (list);
}
static void make_destructors (void)
{
  pthread_key_create (&destructors, run_destructors);
  atexit (run_own_destructors);
}
int __cxa_thread_atexit_impl (void (*function) (void *), void *object, void *dso)
{
  pthread_once (&destructors_once, make_destructors);
  struct destructor *one = malloc (sizeof *one);
  if (one == NULL) return -1;
  *one = (struct destructor) { function, object, pthread_getspecific (destructors) };
  return pthread_setspecific (destructors, one);
}

/* What the unwinder asks for an address (The GNU C Library manual, "Dynamic Linker Introspection"). */
struct dl_find_object
{
  unsigned long long flags;
  void *map_start;
  void *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};
struct search
{
  ElfW(Addr) address;
  struct dl_find_object *found;
};
static int look (struct dl_phdr_info *info, size_t size, void *data)
{
  struct search *search = data;
  ElfW(Addr) start = -1, end = 0, frames = 0;
  int hit = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    ElfW(Addr) from = info->dlpi_addr + header->p_vaddr, to = from + header->p_memsz;
    if (header->p_type == PT_GNU_EH_FRAME) frames = from;
    if (header->p_type != PT_LOAD) continue;
    if (from < start) start = from;
    if (to > end) end = to;
    if (search->address >= from && search->address < to) hit = 1;
  }
  if (!hit || frames == 0) return 0;
  *search->found = (struct dl_find_object) {
    .map_start = (void *) start, .map_end = (void *) end, .eh_frame = (void *) frames
  };
  return 1;
}
int _dl_find_object (void *address, struct dl_find_object *found)
{
  struct search search = { (ElfW(Addr)) address, found };
  return dl_iterate_phdr (look, &search) ? 0 : -1;
}

/* Versioned look-up: musl has one version of everything. */
void *dlvsym (void *handle, const char *name, const char *version) { return dlsym (handle, name); }

/* No stack is shown. */
int backtrace (void **to, int size) { return 0; }
char **backtrace_symbols (void *const *list, int size) { return calloc (1, sizeof (char *)); }
void backtrace_symbols_fd (void *const *list, int size, int fd) {}

/* Entries of databases, one after the other. */

#define NEXT(structure, next, name) \
  int name (structure *to, char *buffer, size_t size, structure **result) \
  { \
    structure *entry = next (); \
    *result = NULL; \
    if (entry == NULL) return ENOENT; \
    *to = *entry; \
    *result = to; \
    return 0; \
  }
NEXT (struct passwd, getpwent, getpwent_r)
NEXT (struct group, getgrent, getgrent_r)
NEXT (struct servent, getservent, getservent_r)
NEXT (struct protoent, getprotoent, getprotoent_r)

int getprotobyname_r (const char *name, struct protoent *to, char *buffer, size_t size,
                      struct protoent **result)
{
  struct protoent *entry = getprotobyname (name);
  *result = entry == NULL ? NULL : (*to = *entry, to);
  return entry == NULL ? ENOENT : 0;
}
int getprotobynumber_r (int number, struct protoent *to, char *buffer, size_t size,
                        struct protoent **result)
{
  struct protoent *entry = getprotobynumber (number);
  *result = entry == NULL ? NULL : (*to = *entry, to);
  return entry == NULL ? ENOENT : 0;
}

/* musl has no list of hosts and knows no networks. */
int gethostent_r (struct hostent *to, char *buffer, size_t size, struct hostent **result, int *error)
{
  *result = NULL;
  *error = HOST_NOT_FOUND;
  return ENOENT;
}
int getnetent_r (struct netent *to, char *buffer, size_t size, struct netent **result, int *error)
{
  *result = NULL;
  *error = HOST_NOT_FOUND;
  return ENOENT;
}
int getnetbyname_r (const char *name, struct netent *to, char *buffer, size_t size,
                    struct netent **result, int *error)
{
  return getnetent_r (to, buffer, size, result, error);
}
int getnetbyaddr_r (unsigned net, int type, struct netent *to, char *buffer, size_t size,
                    struct netent **result, int *error)
{
  return getnetent_r (to, buffer, size, result, error);
}
