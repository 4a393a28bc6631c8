/* In another compartment: may ask the vault, but not look into it. */
int vault_check(const char *guess);
long vault_call(long (*function)(long), long argument);

static long count;

int other_ask(const char *guess) {
  count++;
  return vault_check(guess);
}

static long twice(long argument) {
  return 2 * argument;
}

long other_nested(long argument) {
  count++;
  long result = vault_call(twice, argument);
  return result + count;
}

char other_peek(const char *at) {
  return *at;
}

void *other_where(void) {
  return &count;
}
