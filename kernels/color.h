// One pixel of video, which cameras and decoders hold as luma and chroma, as 8-bit colour: integers
// on both sides, so both give the same bits.
#pragma once

#include "hd.h"

namespace edgert {

struct Rgb8 {
  unsigned char red, green, blue;
};

// Coefficients in units of 2^-20. The default is ITU-R BT.601, limited range, with the decimals
// that OpenCV's cvtColor uses (1.164, 1.596, 0.813, 0.391, 2.018): the same bits as it gives.
struct YuvMatrix {
  int black = 16;  // the luma of black
  int luma = 1220542;
  int v_to_red = 1673527;
  int u_to_green = -409993, v_to_green = -852492;
  int u_to_blue = 2116026;
};

EDGERT_HD unsigned char to_color(int value_20) {
  return static_cast<unsigned char>(clamp(value_20 >> 20, 0, 255));
}

EDGERT_HD Rgb8 yuv_to_rgb(int y, int u, int v, const YuvMatrix& m) {
  const int above = y - m.black;
  const int luma = (above > 0 ? above : 0) * m.luma + (1 << 19);
  u -= 128, v -= 128;
  return {to_color(luma + m.v_to_red * v), to_color(luma + m.u_to_green * u + m.v_to_green * v),
          to_color(luma + m.u_to_blue * u)};
}

}  // namespace edgert
