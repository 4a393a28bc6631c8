/* What crtbeginS.o brings to every library: its identity for atexit, and the call of what was registered. */
void *__dso_handle __attribute__((visibility("hidden"))) = &__dso_handle;
void __cxa_finalize(void *);
__attribute__((destructor(65535))) static void finalize(void) { __cxa_finalize(__dso_handle); }
