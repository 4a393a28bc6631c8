/* Obstacks (The GNU C Library manual, "Obstacks"). The structure is the one that the macros of glibc's
   obstack.h work on: its fields are their interface. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk
{
  char *limit;
  struct chunk *previous;
  char contents[];
};

struct obstack
{
  long chunk_size;
  struct chunk *chunk;
  char *object_base;
  char *next_free;
  char *chunk_limit;
  union { long number; void *pointer; } temp;
  int alignment_mask;
  union { void *(*plain) (size_t); void *(*extra) (void *, size_t); } allocate;
  union { void (*plain) (void *); void (*extra) (void *, void *); } release;
  void *argument;
  unsigned use_argument : 1;
  unsigned maybe_empty : 1;
  unsigned failed : 1;
};

static void fail (void)
{
  fputs ("memory exhausted\n", stderr);
  exit (1);
}

void (*obstack_alloc_failed_handler) (void) = fail;

static char *aligned (struct obstack *stack, char *at)
{
  uintptr_t mask = stack->alignment_mask;
  return (char *) (((uintptr_t) at + mask) & ~mask);
}

static struct chunk *new_chunk (struct obstack *stack, size_t size)
{
  struct chunk *chunk = stack->use_argument
    ? stack->allocate.extra (stack->argument, size)
    : stack->allocate.plain (size);
  if (chunk == NULL) obstack_alloc_failed_handler ();
  chunk->limit = (char *) chunk + size;
  return chunk;
}

static void free_chunk (struct obstack *stack, struct chunk *chunk)
{
  if (stack->use_argument) stack->release.extra (stack->argument, chunk);
  else stack->release.plain (chunk);
}

static int begin (struct obstack *stack, int size, int alignment)
{
  stack->alignment_mask = (alignment != 0 ? alignment : 16) - 1;
  stack->chunk_size = size != 0 ? size : 4064;
  struct chunk *chunk = stack->chunk = new_chunk (stack, stack->chunk_size);
  stack->next_free = stack->object_base = aligned (stack, chunk->contents);
  stack->chunk_limit = chunk->limit;
  chunk->previous = NULL;
  stack->maybe_empty = stack->failed = 0;
  return 1;
}

int _obstack_begin (struct obstack *stack, int size, int alignment,
                    void *(*allocate) (long), void (*release) (void *))
{
  stack->allocate.plain = (void *(*) (size_t)) allocate;
  stack->release.plain = release;
  stack->use_argument = 0;
  return begin (stack, size, alignment);
}

int _obstack_begin_1 (struct obstack *stack, int size, int alignment,
                      void *(*allocate) (void *, long), void (*release) (void *, void *),
                      void *argument)
{
  stack->allocate.extra = (void *(*) (void *, size_t)) allocate;
  stack->release.extra = release;
  stack->argument = argument;
  stack->use_argument = 1;
  return begin (stack, size, alignment);
}

/* A larger chunk for the object that is growing, by LENGTH bytes more at least. */
void _obstack_newchunk (struct obstack *stack, int length)
{
  struct chunk *old = stack->chunk;
  size_t grown = stack->next_free - stack->object_base;
  size_t size = grown + length + (grown >> 3) + stack->alignment_mask + sizeof (struct chunk) + 100;
  if (size < (size_t) stack->chunk_size) size = stack->chunk_size;
  struct chunk *chunk = stack->chunk = new_chunk (stack, size);
  chunk->previous = old;
  stack->chunk_limit = chunk->limit;
  char *base = aligned (stack, chunk->contents);
  memcpy (base, stack->object_base, grown);
  if (!stack->maybe_empty && stack->object_base == aligned (stack, old->contents)) {
    chunk->previous = old->previous;
    free_chunk (stack, old);
  }
  stack->object_base = base;
  stack->next_free = base + grown;
  stack->maybe_empty = 0;
}

static int holds (struct chunk *chunk, void *object)
{
  return (char *) chunk < (char *) object && (char *) object <= chunk->limit;
}

int _obstack_allocated_p (struct obstack *stack, void *object)
{
  struct chunk *chunk = stack->chunk;
  while (chunk != NULL && !holds (chunk, object)) chunk = chunk->previous;
  return chunk != NULL;
}

/* Frees OBJECT and everything allocated since; all if it is null. */
void _obstack_free (struct obstack *stack, void *object)
{
  struct chunk *chunk = stack->chunk;
  while (chunk != NULL && !holds (chunk, object)) {
    struct chunk *previous = chunk->previous;
    free_chunk (stack, chunk);
    chunk = previous;
    stack->maybe_empty = 1;
  }
  if (chunk != NULL) {
    stack->object_base = stack->next_free = object;
    stack->chunk_limit = chunk->limit;
    stack->chunk = chunk;
  } else if (object != NULL) {
    abort ();
  }
}

void obstack_free (struct obstack *stack, void *object) { _obstack_free (stack, object); }

int _obstack_memory_used (struct obstack *stack)
{
  int bytes = 0;
  for (struct chunk *chunk = stack->chunk; chunk != NULL; chunk = chunk->previous) {
    bytes += chunk->limit - (char *) chunk;
  }
  return bytes;
}

int obstack_vprintf (struct obstack *stack, const char *format, va_list list)
{
  char *text;
  int length = vasprintf (&text, format, list);
  if (length < 0) return length;
  if (stack->chunk_limit - stack->next_free < length) _obstack_newchunk (stack, length);
  memcpy (stack->next_free, text, length);
  stack->next_free += length;
  free (text);
  return length;
}

int obstack_printf (struct obstack *stack, const char *format, ...)
{
  va_list list;
  va_start (list, format);
  int length = obstack_vprintf (stack, format, list);
  va_end (list);
  return length;
}

int __obstack_vprintf_chk (struct obstack *stack, int flag, const char *format, va_list list)
{
  return obstack_vprintf (stack, format, list);
}

int __obstack_printf_chk (struct obstack *stack, int flag, const char *format, ...)
{
  va_list list;
  va_start (list, format);
  int length = obstack_vprintf (stack, format, list);
  va_end (list);
  return length;
}
