/* The unwinder goes through libraries opened at run time: pthread_cancel, pthread_exit, backtrace. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int (*through)(int (*)(void *), void *);
static pthread_barrier_t inside;

static void leave(void *data) { printf("%s left\n", *(const char **)data); }

static int wait_for_ever(void *data) {
  pthread_barrier_wait(&inside);
  for (;;) pause();
}

static int end(void *data) {
  pthread_exit(data);
}

static int count(void *data) {
  void *frames[32];
  int found = backtrace(frames, 32), ours = 0;
  for (int i = 0; i < found; i++) {
    Dl_info info;
    if (dladdr(frames[i], &info) && info.dli_fname[0] == '/' && info.dli_fname[1] == 't') ours++;
  }
  return ours;
}

static void *work(void *f) {
  __attribute__((cleanup(leave))) const char *name = "thread";
  through((int (*)(void *))f, "value");
  return NULL;
}

int main(void) {
  void *library = dlopen("libthrough.so", RTLD_NOW);
  if (library == NULL) return puts(dlerror()), 1;
  through = dlsym(library, "through");
  printf("frames of ours %d\n", through(count, NULL));
  pthread_t thread;
  void *result;
  pthread_barrier_init(&inside, NULL, 2);
  pthread_create(&thread, NULL, work, wait_for_ever);
  pthread_barrier_wait(&inside);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("cancelled %d\n", result == PTHREAD_CANCELED);
  pthread_create(&thread, NULL, work, end);
  pthread_join(thread, &result);
  printf("ended with %s\n", (const char *)result);
  return 0;
}
