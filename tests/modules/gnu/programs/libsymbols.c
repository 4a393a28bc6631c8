int data[3] = {1, 2, 3};
int versioned_1(void) { return 10 + data[1]; }
int versioned_2(void) { return 20 + data[1]; }
__asm__(".symver versioned_1, versioned@V1");
__asm__(".symver versioned_2, versioned@@V2");
static int implementation(void) { return 30; }
static int (*choose(void))(void) { return implementation; }
int chosen(void) __attribute__((ifunc("choose")));
int (*pointer)(void) = chosen;
__attribute__((visibility("protected"))) int replaced(void) { return 40; }
int protected_call(void) { return replaced(); }
int hooked(void) { return 50; }
int interposed(void) { return hooked(); }
int symbols_chosen_address(void *address) { return address == (void *)chosen; }
