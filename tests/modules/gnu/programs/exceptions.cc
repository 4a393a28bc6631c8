// Exceptions thrown in a library of the start and in one opened later, caught in the program and in threads.
#include <dlfcn.h>
#include <pthread.h>
#include <cstdio>
#include <exception>
#include <stdexcept>
struct Own { virtual ~Own() {} int value; explicit Own(int v) : value(v) {} };
typedef void (*Throws)(int, int *, void (*)(int));
extern "C" void throws(int, int *, void (*)(int));
extern "C" const char *last_thrown();
static void call(int n) { throw std::out_of_range("from the program"); }

static void all(Throws f, const char *(*last)()) {
  int left = 0;
  for (int kind = 0; kind < 5; kind++) {
    try {
      f(kind, &left, call);
      std::printf("nothing\n");
    } catch (int n) {
      std::printf("int %d\n", n);
    } catch (const Own &own) {
      std::printf("own %d\n", own.value);
    } catch (const std::exception &e) {
      std::printf("%s\n", e.what());
    }
  }
  std::printf("left %d, last %s\n", left, last());
}

static Throws late;
static const char *(*late_last)();
static void *work(void *) {
  all(late, late_last);
  try {
    try { late(1, new int, call); } catch (...) { auto p = std::current_exception(); std::rethrow_exception(p); }
  } catch (const std::runtime_error &e) {
    std::printf("again %s\n", e.what());
  }
  return nullptr;
}

int main() {
  all(throws, last_thrown);
  void *library = dlopen("liblatethrows.so", RTLD_NOW);
  if (!library) return std::puts(dlerror()), 1;
  late = (Throws)dlsym(library, "throws");
  late_last = (const char *(*)())dlsym(library, "last_thrown");
  std::printf("another %d\n", late != throws);
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    pthread_create(&thread, nullptr, work, nullptr);
    pthread_join(thread, nullptr);
  }
  std::printf("close %d\n", dlclose(library));
  try { throws(0, new int, call); } catch (int n) { std::printf("still %d\n", n); }
  std::fflush(stdout);
  throw Own(1);
}
