/* Regular expressions with glibc's types (regex.h of glibc, "GNU regex" in gnulib's manual) over musl's
   regcomp and regexec. The types differ: glibc's regoff_t is an int, and programs look into its
   re_pattern_buffer. Text with a NUL in it is matched up to there. */
#include <limits.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* musl's own, under names of the object that no program sees. */
#define musl_regex_t regex_t
#define musl_regmatch_t regmatch_t

typedef unsigned long syntax_t;

enum
{
  BACKSLASH_PLUS_QM = 0x2, NEWLINE_ALT = 0x800, NO_BK_PARENS = 0x2000, ICASE = 0x400000,
  NO_SUB = 0x2000000
};

struct gnu_pattern
{
  struct compiled *compiled;
  unsigned long allocated;
  unsigned long used;
  syntax_t syntax;
  char *fastmap;
  unsigned char *translate;
  size_t groups;
  unsigned can_be_null : 2, registers : 2, fastmap_accurate : 1, no_sub : 1, not_bol : 1, not_eol : 1;
  unsigned newline_anchor : 1;
};

struct gnu_match { int start, end; };

struct gnu_registers
{
  unsigned count;
  int *start;
  int *end;
};

enum { UNALLOCATED, REALLOCATE, FIXED };

/* A pattern in musl's hands: its text, and what it compiled to for each meaning of newlines. */
struct compiled
{
  char *text;
  int flags;
  int done[2];
  musl_regex_t patterns[2];
};

syntax_t re_syntax_options;

syntax_t re_set_syntax (syntax_t syntax)
{
  syntax_t old = re_syntax_options;
  re_syntax_options = syntax;
  return old;
}

/* The names that programs use are this file's; musl's are these. */
int gnu_regcomp (struct gnu_pattern *pattern, const char *text, int flags) __asm__ ("regcomp");
int gnu_regexec (const struct gnu_pattern *pattern, const char *text, size_t count,
                 struct gnu_match *matches, int flags) __asm__ ("regexec");
void gnu_regfree (struct gnu_pattern *pattern) __asm__ ("regfree");
size_t gnu_regerror (int code, const struct gnu_pattern *pattern, char *to, size_t size)
  __asm__ ("regerror");

extern int from_musl_regcomp (musl_regex_t *, const char *, int) __asm__ ("musl.regcomp");
extern int from_musl_regexec (const musl_regex_t *, const char *, size_t, musl_regmatch_t *, int)
  __asm__ ("musl.regexec");
extern void from_musl_regfree (musl_regex_t *) __asm__ ("musl.regfree");
extern size_t from_musl_regerror (int, const musl_regex_t *, char *, size_t)
  __asm__ ("musl.regerror");

static int has_back_reference (const char *text)
{
  for (; *text != 0; text++) {
    if (*text != '\\') continue;
    if (*++text >= '1' && *text <= '9') return 1;
    if (*text == 0) break;
  }
  return 0;
}

/* An extended expression as a basic one, in which musl knows back references. */
static char *basic (const char *text)
{
  char *copy = malloc (2 * strlen (text) + 1), *to = copy;
  if (copy == NULL) return NULL;
  while (*text != 0) {
    char c = *text++;
    if (c == '\\' && *text != 0) {
      if (strchr ("(){}+?|", *text) == NULL) *to++ = '\\';
      *to++ = *text++;
    } else if (c == '[') {
      *to++ = c;
      if (*text == '^') *to++ = *text++;
      if (*text == ']') *to++ = *text++;
      while (*text != 0 && *text != ']') {
        char kind = text[1];
        if (*text == '[' && (kind == ':' || kind == '.' || kind == '=')) {
          *to++ = *text++;
          *to++ = *text++;
          while (*text != 0 && !(text[0] == kind && text[1] == ']')) *to++ = *text++;
          if (*text != 0) *to++ = *text++;
        }
        if (*text != 0) *to++ = *text++;
      }
      if (*text != 0) *to++ = *text++;
    } else {
      if (strchr ("(){}+?|", c) != NULL) *to++ = '\\';
      *to++ = c;
    }
  }
  *to = 0;
  return copy;
}

static int compile (struct gnu_pattern *pattern, const char *text, size_t length, int flags)
{
  struct compiled *compiled = calloc (1, sizeof *compiled);
  if (compiled == NULL) return REG_ESPACE;
  compiled->text = strndup (text, length);
  if ((flags & REG_EXTENDED) && compiled->text != NULL && has_back_reference (compiled->text)) {
    char *converted = basic (compiled->text);
    free (compiled->text);
    compiled->text = converted;
    flags &= ~REG_EXTENDED;
  }
  compiled->flags = flags & ~(REG_NEWLINE | REG_NOSUB);
  int newline = (flags & REG_NEWLINE) != 0;
  int result = compiled->text == NULL
    ? REG_ESPACE
    : from_musl_regcomp (&compiled->patterns[newline], compiled->text, flags & ~REG_NOSUB);
  if (result != 0) {
    free (compiled->text);
    free (compiled);
    pattern->compiled = NULL;
    return result;
  }
  compiled->done[newline] = 1;
  pattern->compiled = compiled;
  pattern->allocated = pattern->used = 0;
  pattern->groups = compiled->patterns[newline].re_nsub;
  pattern->newline_anchor = newline;
  pattern->no_sub = (flags & REG_NOSUB) != 0;
  pattern->not_bol = pattern->not_eol = 0;
  return 0;
}

static musl_regex_t *compiled_for (const struct gnu_pattern *pattern)
{
  struct compiled *compiled = pattern->compiled;
  int newline = pattern->newline_anchor;
  if (!compiled->done[newline]) {
    int flags = compiled->flags | (newline ? REG_NEWLINE : 0);
    if (from_musl_regcomp (&compiled->patterns[newline], compiled->text, flags) != 0) return NULL;
    compiled->done[newline] = 1;
  }
  return &compiled->patterns[newline];
}

int gnu_regcomp (struct gnu_pattern *pattern, const char *text, int flags)
{
  return compile (pattern, text, strlen (text), flags);
}

void gnu_regfree (struct gnu_pattern *pattern)
{
  struct compiled *compiled = pattern->compiled;
  if (compiled == NULL) return;
  for (int i = 0; i < 2; i++) if (compiled->done[i]) from_musl_regfree (&compiled->patterns[i]);
  free (compiled->text);
  free (compiled);
  pattern->compiled = NULL;
}

size_t gnu_regerror (int code, const struct gnu_pattern *pattern, char *to, size_t size)
{
  return from_musl_regerror (code, NULL, to, size);
}

/* Matches LENGTH bytes from FROM on; the positions in MATCHES are from there, too. */
static int execute (const struct gnu_pattern *pattern, const char *from, size_t length,
                    size_t count, musl_regmatch_t *matches, int flags)
{
  musl_regex_t *compiled = compiled_for (pattern);
  if (compiled == NULL) return REG_ESPACE;
  if (pattern->not_bol) flags |= REG_NOTBOL;
  if (pattern->not_eol) flags |= REG_NOTEOL;
  char room[1024];
  char *text = length < sizeof room ? room : malloc (length + 1);
  if (text == NULL) return REG_ESPACE;
  memcpy (text, from, length);
  text[length] = 0;
  int result = from_musl_regexec (compiled, text, count, matches, flags);
  if (text != room) free (text);
  return result;
}

int gnu_regexec (const struct gnu_pattern *pattern, const char *text, size_t count,
                 struct gnu_match *matches, int flags)
{
  enum { STARTEND = 4 };
  size_t start = 0, length;
  if (flags & STARTEND) {
    start = matches[0].start;
    length = matches[0].end - start;
  } else {
    length = strlen (text);
  }
  if (pattern->no_sub) count = 0;
  musl_regmatch_t *found = calloc (count + 1, sizeof *found);
  if (found == NULL) return REG_ESPACE;
  int result = execute (pattern, text + start, length, count, found, flags & 3);
  for (size_t i = 0; result == 0 && i < count; i++) {
    matches[i].start = found[i].rm_so < 0 ? -1 : found[i].rm_so + (int) start;
    matches[i].end = found[i].rm_eo < 0 ? -1 : found[i].rm_eo + (int) start;
  }
  free (found);
  return result;
}

/* The GNU interface. */

const char *re_compile_pattern (const char *text, size_t length, struct gnu_pattern *pattern)
{
  static char message[128];
  int extended = (re_syntax_options & NO_BK_PARENS) != 0;
  int flags = (extended ? REG_EXTENDED : 0) | (re_syntax_options & ICASE ? REG_ICASE : 0);
  char *copy = malloc (2 * length + 1), *to = copy;
  if (copy == NULL) return "Memory exhausted";
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\n' && (re_syntax_options & NEWLINE_ALT)) {
      if (!extended) *to++ = '\\';
      *to++ = '|';
    } else {
      *to++ = text[i];
    }
  }
  syntax_t syntax = re_syntax_options;
  int result = compile (pattern, copy, to - copy, flags | REG_NEWLINE);
  free (copy);
  pattern->syntax = syntax;
  pattern->no_sub = (syntax & NO_SUB) != 0;
  if (result == 0) return NULL;
  from_musl_regerror (result, NULL, message, sizeof message);
  return message;
}

int re_compile_fastmap (struct gnu_pattern *pattern) { return 0; }

void re_set_registers (struct gnu_pattern *pattern, struct gnu_registers *registers, unsigned count,
                       int *starts, int *ends)
{
  pattern->registers = count ? REALLOCATE : UNALLOCATED;
  registers->count = count;
  registers->start = count ? starts : NULL;
  registers->end = count ? ends : NULL;
}

static int fill (struct gnu_pattern *pattern, struct gnu_registers *registers,
                 const musl_regmatch_t *found, size_t count, int offset)
{
  if (registers == NULL || pattern->no_sub) return 0;
  unsigned wanted = count + 1;
  if (pattern->registers != FIXED && (pattern->registers == UNALLOCATED || registers->count < wanted)) {
    int fresh = pattern->registers == UNALLOCATED;
    int *start = realloc (fresh ? NULL : registers->start, wanted * sizeof *start);
    int *end = realloc (fresh ? NULL : registers->end, wanted * sizeof *end);
    if (start == NULL || end == NULL) return -1;
    *registers = (struct gnu_registers) { wanted, start, end };
    pattern->registers = REALLOCATE;
  }
  for (unsigned i = 0; i < registers->count; i++) {
    int set = i < count && found[i].rm_so >= 0;
    registers->start[i] = set ? found[i].rm_so + offset : -1;
    registers->end[i] = set ? found[i].rm_eo + offset : -1;
  }
  return 0;
}

/* The first match at FROM or later (RANGE more places), or earlier if RANGE is negative. */
int re_search (struct gnu_pattern *pattern, const char *text, int length, int from, int range,
               struct gnu_registers *registers)
{
  if (from < 0 || from > length || pattern->compiled == NULL) return -1;
  size_t count = pattern->groups + 1;
  musl_regmatch_t *found = calloc (count, sizeof *found);
  if (found == NULL) return -2;
  int last = from + range, result = -1;
  if (last > length) last = length;
  if (last < 0) last = 0;
  for (int at = from;; at--) {
    int after = at > 0 && !(pattern->newline_anchor && text[at - 1] == '\n');
    int code = execute (pattern, text + at, length - at, count, found, after ? REG_NOTBOL : 0);
    if (code == REG_ESPACE) result = -2;
    int limit = range >= 0 ? last - at : 0;
    if (code == 0 && found[0].rm_so <= limit) {
      result = fill (pattern, registers, found, count, at) < 0 ? -2 : at + (int) found[0].rm_so;
    }
    if (result != -1 || range >= 0 || at <= last) break;
  }
  free (found);
  return result;
}

/* Length of the match at FROM, or -1. */
int re_match (struct gnu_pattern *pattern, const char *text, int length, int from,
              struct gnu_registers *registers)
{
  struct gnu_registers own = { 0 };
  unsigned was = pattern->registers;
  if (registers == NULL) pattern->registers = UNALLOCATED;
  int at = re_search (pattern, text, length, from, 0, registers == NULL ? &own : registers);
  int matched = at;
  if (at >= 0) {
    musl_regmatch_t found[1];
    int after = from > 0 && !(pattern->newline_anchor && text[from - 1] == '\n');
    execute (pattern, text + from, length - from, 1, found, after ? REG_NOTBOL : 0);
    matched = found[0].rm_eo;
  }
  if (registers == NULL) {
    free (own.start);
    free (own.end);
    pattern->registers = was;
  }
  return matched;
}
