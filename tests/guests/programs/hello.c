#include "guest.h"

int main(int argc, char **argv) {
  say("hello");
  for (int i = 1; i < argc; i++) {
    say(" ");
    say(argv[i]);
  }
  say("\n");
  return argc - 1;
}
