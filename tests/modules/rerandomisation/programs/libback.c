int back(int (*callback)(int), int value) {
  int result = callback(value);
  return result * 2;
}
