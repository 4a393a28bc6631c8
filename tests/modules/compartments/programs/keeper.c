/* Uses the vault by its functions, or, as its argument says, not by them. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

char *vault_where(void);
int vault_check(const char *guess);
void vault_change(const char *text);
long vault_sum(long, long, long, long, long, long, long, long, long, long);
double vault_mix(double, int, double);
struct pair {
  long first, second;
};
struct pair vault_pair(long);
long vault_call(long (*)(long), long);
long vault_calls(void);
void *vault_stack(void);
char *vault_note(const char *);
void vault_take(char *);
int vault_allocate(void);
long vault_chosen(long);
int other_ask(const char *);
long other_nested(long);
char other_peek(const char *);
void *other_where(void);

static long deeper(long depth) {
  return depth == 0 ? vault_calls() - vault_calls() : vault_call(deeper, depth - 1);
}

static void on_fault(int signal, siginfo_t *information, void *context) {
  printf("signal %d code %d key %d at %s\n", signal, information->si_code,
         *(int *)((char *)information + 32) > 0,
         (char *)information->si_addr == vault_where() ? "the secret" : "another place");
  fflush(stdout);
  _exit(0);
}

/* Goes to where a gate sets the rights, with rights of its own choice. */
static void forge(void) {
#if defined(__x86_64__)
  const unsigned char *at = (const unsigned char *)vault_check;
  while (at[0] != 0x0f || at[1] != 0x01 || at[2] != 0xef) at++;
  __asm__ volatile("call *%0" ::"r"(at), "a"(0), "c"(0), "d"(0) : "memory");
#else
  const unsigned *at = (const unsigned *)vault_check;
  while (*at != 0xd51ba289) at++;
  __asm__ volatile("mov x9, #-1\n blr %0" ::"r"(at) : "x9", "x10", "x11", "x30", "memory");
#endif
  puts("forged");
}

static void *thread(void *argument) {
  int own;
  long apart = (char *)vault_stack() - (char *)&own;
  return (void *)(vault_sum(1, 1, 1, 1, 1, 1, 1, 1, 1, (long)argument) +
                  (apart > -100000 && apart < 100000 ? 10000 : 0));
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "use";
  static char signal_stack[65536];
  stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  if (strcmp(what, "read") == 0) return printf("%c\n", *vault_where());
  if (strcmp(what, "write") == 0) return *vault_where() = 'x';
  if (strcmp(what, "peek") == 0) return printf("%c\n", other_peek(vault_where()));
  if (strcmp(what, "give") == 0) {
    long written = write(1, vault_where(), 4);
    return printf("write: %ld\n", written);
  }
  if (strcmp(what, "forge") == 0) forge();
  if (strcmp(what, "note") == 0) return printf("%c\n", other_peek(vault_note("mine")));
  if (strcmp(what, "heap") == 0) {
    vault_take(strdup("given"));
    vault_note("mine");
    return printf("errors: %d\n", vault_allocate()) == 10 ? 0 : 1;
  }
  if (strcmp(what, "fork") == 0) {
    printf("%d\n", vault_check("open sesame"));
    fflush(stdout);
    if (fork() == 0) {
      vault_change("child");
      _exit(vault_check("child") + other_ask("child"));
    }
    int status;
    wait(&status);
    return printf("%d %d\n", WEXITSTATUS(status), vault_check("open sesame")) == 4 ? 0 : 1;
  }
  if (strcmp(what, "many") == 0) {
    long sum = 0;
    for (long i = atol(argv[2]); i > 0; i--) sum += vault_check("a");
    return (int)sum;
  }
  if (strcmp(what, "few") == 0) return 0;
  printf("%d %d\n", vault_check("open sesame"), vault_check("please"));
  vault_change("new");
  printf("%d %d\n", vault_check("open sesame"), vault_check("new"));
  printf("%ld\n", vault_sum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  printf("%g\n", vault_mix(1.5, 4, 0.25));
  struct pair pair = vault_pair(7);
  printf("%ld %ld\n", pair.first, pair.second);
  printf("%ld\n", deeper(3));
  printf("%d %d\n", other_ask("new"), other_ask("old"));
  printf("%ld %ld\n", other_nested(20), other_nested(30));
  printf("%ld\n", vault_calls());
  printf("%ld\n", vault_chosen(5));
  pthread_t threads[3];
  for (long i = 0; i < 3; i++) pthread_create(&threads[i], NULL, thread, (void *)i);
  for (long i = 0; i < 3; i++) {
    void *result;
    pthread_join(threads[i], &result);
    printf("%ld\n", (long)result % 10000);
  }
  int own;
  long apart = (char *)vault_stack() - (char *)&own;
  printf("stack apart: %d\n", apart < -1000000 || apart > 1000000);
  return 0;
}
