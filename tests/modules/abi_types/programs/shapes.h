/* A library's interface in several versions: CHANGE says what is different. */
#ifndef CHANGE
#define CHANGE 0
#endif

struct point {
#if CHANGE == 5
  int y;
  int x;
#else
  int x;
  int y;
#endif
#if CHANGE == 1
  int z;
#endif
};

enum color {
  RED = 1,
#if CHANGE == 2
  BLUE,
  GREEN,
#else
  GREEN,
  BLUE,
#endif
#if CHANGE == 10
  YELLOW,
#endif
};

struct node {
  struct node *next;
#if CHANGE == 6
  long weight;
#else
  int weight;
  int flags;
#endif
};

struct shape {
  enum color color;
  struct point corners[CHANGE == 9 ? 5 : 4];
  struct node *list;
  int (*visit)(const struct shape *, void *);
};

#if CHANGE == 11
typedef int length;
#else
#define length int
#endif

#if CHANGE == 3
int scale(struct shape *shape, long factor);
#elif CHANGE == 4
int scale(struct shape *shape);
#elif CHANGE == 7
struct point *scale(struct shape *shape, length factor);
#else
int scale(struct shape *shape, length factor);
#endif
#if CHANGE == 8
extern long unit;
#else
extern int unit;
#endif
