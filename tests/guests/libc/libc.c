#include "guest.h"

void *memcpy(void *to, const void *from, u64 size) {
  u8 *t = to;
  const u8 *f = from;
  for (u64 i = 0; i < size; i++) t[i] = f[i];
  return to;
}

void *memmove(void *to, const void *from, u64 size) {
  u8 *t = to;
  const u8 *f = from;
  if (t < f) return memcpy(to, from, size);
  while (size-- > 0) t[size] = f[size];
  return to;
}

void *memset(void *to, int byte, u64 size) {
  u8 *t = to;
  for (u64 i = 0; i < size; i++) t[i] = (u8)byte;
  return to;
}

int memcmp(const void *a, const void *b, u64 size) {
  const u8 *x = a, *y = b;
  for (u64 i = 0; i < size; i++) {
    if (x[i] != y[i]) return x[i] - y[i];
  }
  return 0;
}

u64 strlen(const char *text) {
  u64 length = 0;
  while (text[length]) length++;
  return length;
}

int strcmp(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (u8)*a - (u8)*b;
}

u64 number(const char *text, u64 otherwise) {
  if (!text) return otherwise;
  u64 value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (u64)(*text - '0');
  return value;
}

static char pending[4096];
static u64 filled;

void flush(void) {
  u64 done = 0;
  while (done < filled) {
    long wrote = SYSTEM_CALL(SYS_write, 1, pending + done, filled - done);
    if (wrote <= 0) SYSTEM_CALL(SYS_exit_group, 125);
    done += (u64)wrote;
  }
  filled = 0;
}

void say(const char *text) {
  for (; *text; text++) {
    if (filled == sizeof pending) flush();
    pending[filled++] = *text;
  }
}

static void say_number(const char *label, u64 value, u64 base, u64 width) {
  char digits[21];
  u64 at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value || sizeof digits - 1 - at < width);
  say(label);
  say(" ");
  say(digits + at);
  say("\n");
}

void show(const char *label, u64 hexadecimal) {
  say_number(label, hexadecimal, 16, 16);
}

void count(const char *label, u64 decimal) {
  say_number(label, decimal, 10, 1);
}

void note(const char *text) {
  SYSTEM_CALL(SYS_write, 2, text, strlen(text));
}

void finish(int code) {
  flush();
  for (;;) SYSTEM_CALL(SYS_exit_group, code);
}
