/* A program that uses the library, whatever that is made of. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int add(int, int);
long long mul64(long long, long long);
double mix(int, double, float, long long, int, int, int, int, int, double, double, double, double, double, double, double,
           double, int, float);
float half(float);
const char *greet(const char *);
int sum(const void *, size_t);
void upper(void *, size_t);
long long first(long long);
int apply(int (*)(int), int);
int (*pick(int))(int);
double scaled(double);
int deep(int);
int count(void);
int divide(int, int);

int c_puts(const char *text) { return printf("C says: %s\n", text); }
double c_scale(double x, float y) { return x * y; }
long long c_first(const unsigned char *bytes, size_t size) { return bytes[0] * 100 + size; }
static int twice(int x) { return 2 * add(x, 0); }
static int nested(int x) { return x < 3 ? apply(nested, x) + 1 : x; }

static void use(const char *name) {
  char text[] = "hello There";
  printf("%d %d %lld\n", add(2, -3), add(2147483647, 1), mul64(1ll << 40, -12345));
  printf("%g %g\n", mix(-1, 2.5, 3.25f, -4, 5, 6, 7, 8, 9, 10.125, 1, 2, 3, 4, 5, 6, 7, -8, 9.5f), half(3));
  printf("%s\n", greet(name));
  printf("%d\n", greet(0) == 0);
  printf("%d %d\n", sum("\1\2\377", 3), sum(0, 0));
  upper(text, 5);
  printf("%s\n", text);
  printf("%lld\n", first(-5));
  printf("%d %d %d\n", apply(twice, 5), apply(pick(1), 5), apply(nested, 4));
  printf("%d %d\n", pick(0)(14), pick(0) == pick(0) && pick(0) != pick(1));
  printf("%g %d\n", scaled(4), deep(30));
}

static pid_t child;
static int slow(int x) {
  for (volatile int i = 0; i < 30000; i++);
  return x;
}
static void *work(void *times) {
  long total = 0;
  for (long i = 0; i < (long)times; i++) total += apply(slow, 3) + count() * 0;
  return (void *)total;
}

static int forks(int x) {
  child = fork();
  return x + 1;
}

static sigjmp_buf back;
static void caught(int signal) { siglongjmp(back, signal); }

int main(int argc, char **argv) {
  const char *how = argv[1];
  setvbuf(stdout, 0, _IOLBF, 4096);
  if (!strcmp(how, "use")) use(argv[2]);
  if (!strcmp(how, "threads")) {
    pthread_t threads[3];
    void *total;
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, work, (void *)4l);
    for (int i = 0; i < 3; i++) {
      pthread_join(threads[i], &total);
      printf("%ld\n", (long)total);
    }
    printf("%d\n", count());
  }
  if (!strcmp(how, "fork")) {
    int status;
    printf("%d %d\n", count(), pick(1)(5));
    if (fork() == 0) {
      printf("child %d %d\n", count(), pick(1)(6));
      use("child");
      exit(count());
    }
    wait(&status);
    printf("%d %d %d\n", count(), WEXITSTATUS(status), pick(1)(7));
  }
  if (!strcmp(how, "inside")) {
    int status;
    int sum = apply(forks, 1);
    if (child == 0) return 1;
    wait(&status);
    printf("%d %d\n", sum, WTERMSIG(status));
  }
  if (!strcmp(how, "open")) {
    void *library = dlopen(argv[2], RTLD_NOW);
    if (!library) return printf("%s\n", dlerror()), 1;
    int (*f)(int, int) = dlsym(library, "add");
    Dl_info info;
    dladdr(f, &info);
    printf("%d %s\n", f(20, 22), info.dli_sname);
    printf("%d\n", dlclose(library));
  }
  if (!strcmp(how, "trap")) {
    signal(SIGILL, caught);
    signal(SIGFPE, caught);
    signal(SIGTRAP, caught);
    int number = sigsetjmp(back, 1);
    if (number == 0) printf("%d\n", divide(1, argc - 2));
    else printf("signal\n");
  }
  if (!strcmp(how, "calls")) {
    int total = 0;
    for (int i = atoi(argv[2]); i > 0; i--) total = add(total, i);
    printf("%d\n", total);
  }
  return 0;
}
