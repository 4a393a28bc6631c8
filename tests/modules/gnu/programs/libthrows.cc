// Throws what is declared here and what the program declares.
#include <stdexcept>
#include <string>
struct Own { virtual ~Own() {} int value; explicit Own(int v) : value(v) {} };
struct Derived : Own { using Own::Own; };
struct Leaves { int *count; ~Leaves() { ++*count; } };
thread_local std::string last = "none";
extern "C" const char *last_thrown() { return last.c_str(); }
extern "C" void throws(int kind, int *count, void (*call)(int)) {
  Leaves leaves{count};
  switch (kind) {
    case 0: last = "int"; throw 42;
    case 1: last = "runtime_error"; throw std::runtime_error("from the library");
    case 2: last = "derived"; throw Derived(7);
    case 3: last = "callback"; call(3); break;
  }
}
