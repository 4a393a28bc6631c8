/* launch PROGRAM: run it as a fresh machine's first program has it: a session of its own, no
   descriptor but the standard three, and a descriptor table of the least size, which only fork makes
   (select(2) looks no further than the table). */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
  close_range(3, ~0U, 0);
  pid_t child = fork();
  if (child == 0) {
    setsid();
    execv(arguments[1], arguments + 1);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
