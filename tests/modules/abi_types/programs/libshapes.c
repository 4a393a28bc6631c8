#include "shapes.h"
#if CHANGE == 8
long unit = 3;
#else
int unit = 3;
#endif
#if CHANGE == 3
int scale(struct shape *shape, long factor) { return shape->corners[1].x * (int)factor; }
#elif CHANGE == 4
int scale(struct shape *shape) { return shape->corners[1].x; }
#elif CHANGE == 7
struct point *scale(struct shape *shape, length factor) { shape->corners[1].x *= factor; return shape->corners; }
#else
int scale(struct shape *shape, length factor) { return shape->corners[1].x * factor; }
#endif
#if CHANGE == 10
int more(struct shape *shape) { return shape->list != 0; }
#endif
