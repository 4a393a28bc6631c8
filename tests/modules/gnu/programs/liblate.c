__thread int counter = 3;
static __thread int hidden = 4;
static __thread char big[5000];
__attribute__((aligned(128))) __thread long wide = 5;
int late(int n) {
  counter += n;
  hidden++;
  big[4999]++;
  return counter + hidden + big[4999] + (int)wide + ((unsigned long)&wide % 128 != 0) * 10000;
}
