/* Thread-local storage of libraries opened while threads run, in all models. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static __thread int own = 7;
__attribute__((aligned(256))) static __thread char aligned[300];
static pthread_barrier_t opened, done;
static int (*late)(int);
static int (*early)(int);

static void *work(void *data) {
  int n = (int)(intptr_t)data;
  own += n;
  pthread_barrier_wait(&opened);
  int sum = 0;
  for (int i = 0; i < 3; i++) sum += late(n) + early(n);
  pthread_barrier_wait(&done);
  return (void *)(intptr_t)(1000 * sum + own + ((uintptr_t)aligned % 256 != 0) * 1000000);
}

int main(void) {
  pthread_t threads[4];
  pthread_barrier_init(&opened, NULL, 5);
  pthread_barrier_init(&done, NULL, 5);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
  void *h = dlopen("liblate.so", RTLD_NOW);
  void *s = dlopen("libstatic.so", RTLD_NOW);
  if (h == NULL || s == NULL) return puts(dlerror()), 1;
  late = dlsym(h, "late");
  early = dlsym(s, "early");
  printf("variable %d %d\n", *(int *)dlsym(h, "counter"), *(int *)dlsym(s, "fixed"));
  pthread_barrier_wait(&opened);
  printf("main %d %d\n", late(10), early(20));
  pthread_barrier_wait(&done);
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    printf("thread %d\n", (int)(intptr_t)result);
  }
  pthread_t after;
  pthread_barrier_init(&opened, NULL, 1);
  pthread_barrier_init(&done, NULL, 1);
  for (int i = 0; i < 3; i++) {
    void *result;
    pthread_create(&after, NULL, work, (void *)(intptr_t)9);
    pthread_join(after, &result);
    printf("after %d\n", (int)(intptr_t)result);
  }
  printf("close %d\n", dlclose(h));
  h = dlopen("liblate.so", RTLD_NOW);
  late = dlsym(h, "late");
  printf("fresh %d\n", late(1));
  if (fork() == 0) {
    void *f = dlopen("libb.so", RTLD_NOW);
    int (*second)(void) = dlsym(f, "second");
    printf("child %d %d %d\n", second(), second(), late(1));
    fflush(stdout);
    _exit(0);
  }
  sleep(1);
  printf("parent %d %d\n", dlopen("libb.so", RTLD_NOW | RTLD_NOLOAD) != NULL, late(1));
  return 0;
}
