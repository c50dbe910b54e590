// One output pixel of a warp: letterbox of a frame and crop of a person are the same operation, an
// axis-aligned affine map sampled bilinearly, normalised and stored planar.
//
// Pixel centres are at +0.5 on both sides. The two rows are blended first, then the two columns;
// the CPU blends whole rows in that order, so both give the same bits.
#pragma once

#include "hd.h"

namespace edgert {

// One axis of the map, from output pixels to source pixels: source = output * scale + offset.
struct AxisMap {
  float scale;
  float offset;
};

enum class Border {
  kReplicate,  // positions past the edge take the edge's value
  kBlack       // everything outside the source is 0, blended with at the edge
};

// One region of a source image shown in a network input.
struct Warp {
  AxisMap x, y;
  int left, top, width,
      height;  // the output pixels that show the source; the others take the fill value
  Border border;
};

// What is stored: value * gain + bias per channel, in the network's channel order (RGB).
struct Normalization {
  float gain[3];
  float bias[3];
  float fill[3];  // of the pixels outside Warp's rectangle, already normalised
};

// Two neighbouring source positions and how much of the second: (1 - weight) * [low] + weight *
// [low + 1]. Positions -1 and `size` stand for the border.
struct Tap {
  int low;
  float weight;
};

EDGERT_HD Tap axis_tap(AxisMap map, int output, int size, Border border) {
  float position = (static_cast<float>(output) + 0.5f) * map.scale + map.offset - 0.5f;
  const float first = border == Border::kReplicate ? 0.0f : -1.0f;
  const float last = static_cast<float>(border == Border::kReplicate ? size - 1 : size);
  position = clamp(position, first, last);
  // At the far end the second position is one past the border: step back and take all of it.
  const int low = clamp(floor_to_int(position), -1, size - 1);
  return {low, position - static_cast<float>(low)};
}

EDGERT_HD float lerp(float a, float b, float weight) {
  return a + weight * (b - a);
}

// The three channels of a pixel.
struct Color {
  float channel[3];
};

EDGERT_HD Color lerp(const Color& a, const Color& b, float weight) {
  return {{lerp(a.channel[0], b.channel[0], weight), lerp(a.channel[1], b.channel[1], weight),
           lerp(a.channel[2], b.channel[2], weight)}};
}

}  // namespace edgert
