// A program with threads, signals, floating point and, by its argument, an end of its own kind.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long total, watched, stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int number) { total += 1000 * number; }

__attribute__((noinline)) void add(long n) {
  pthread_mutex_lock(&lock);
  total += n;
  if (n == 2) watched = total;
  pthread_mutex_unlock(&lock);
}

static void *work(void *argument) {
  for (int i = 0; i < 50; i++) add((long)argument);
  return 0;
}

__attribute__((noinline)) double half(double x) { return x / 2; }

__attribute__((noinline)) void crash(volatile int *where) { *where = 1; }

static void *sleeper(void *argument) { return pause(), argument; }

// The wait status of a child that crashes and may leave a core, without the signal.
static int core_of_child(void) {
  struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  int status = 0;
  if (fork() == 0) {
    setrlimit(RLIMIT_CORE, &all);
    crash((int *)32);
  }
  wait(&status);
  return status & ~0x7f;
}

int main(int argc, char **argv) {
  const char *end = argc > 1 ? argv[1] : "";
  signal(SIGUSR1, on_signal);
  pthread_t threads[2];
  for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, work, (void *)(i + 1));
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  double halved = half(total);
  raise(SIGUSR1);
  printf("%ld %g\n", total, halved);
  fflush(stdout);
  if (!strcmp(end, "loop")) while (!stop) total++;
  if (!strcmp(end, "crash")) {
    pthread_create(&threads[0], 0, sleeper, argv);
    usleep(1000);
    crash((int *)16);
  }
  if (!strcmp(end, "stuck")) {
    pthread_create(&threads[0], 0, sleeper, argv);
    pthread_join(threads[0], 0);
  }
  if (!strcmp(end, "core")) return core_of_child() == 0x80 && access("core", R_OK) == 0;
  if (!strcmp(end, "exec")) execl(argv[0], argv[0], (char *)0);
  return 7;
}
