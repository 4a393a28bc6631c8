int hooked(void) { return 51; }
