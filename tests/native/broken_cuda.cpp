// A driver of the right version that lacks everything else.
extern "C" __attribute__((visibility("default"))) int cuDriverGetVersion(int* version) {
  *version = 12080;
  return 0;
}
