// Shaded bodies on a picture, and beside the colours the label of what each pixel shows: a
// renderer's picture and its truth come from the same arithmetic. The same bits on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "draw/canvas.hpp"

namespace edgert::draw {

// A tapered capsule, seen from the side. With flat ends it is a trapezoid, of no length an ellipse.
// Directions are of the viewer: x to the right, y down, z towards him.
struct Solid {
  Point start, end;
  float start_radius, end_radius;
  float start_cap, end_cap;  // how far it goes beyond its ends, in radii; 0: flat
  float colour[3];           // blue, green, red, from 0 to 255
  float patch_colour[3];  // ... where the surface looks along patch_axis, and in every other stripe
  float patch_axis[3];
  float patch_threshold;  // cosine where the patch begins; over 1: no patch
  float grain;            // how much the cloth's brightness varies, as a share
  float stripes;          // along its length; 0: none
  float blur_x, blur_y;   // way during the exposure: edges across it are as soft
  float roundness;        // 0: lit as a flat board; 1: as a round limb
};
constexpr int kSolidFloats = 23;
static_assert(sizeof(Solid) == kSolidFloats * sizeof(float));

struct Light {
  float x, y, z;  // a unit vector from the surface to the light
  float ambient, direct;
};

struct Shadow {
  Point start, end;
  float start_radius, end_radius;
  float softness;  // width of its edges in pixels
};
constexpr int kShadowFloats = 7;
static_assert(sizeof(Shadow) == kShadowFloats * sizeof(float));

// Packed BGR pixels that somebody else owns.
struct Picture {
  std::uint8_t* pixels;
  int width, height;
  std::ptrdiff_t row_stride_bytes;
};

// A label is kPartsPerOwner times an owner plus one of its parts; of nothing it is -1.
constexpr int kPartsPerOwner = 32;
constexpr int kNoLabel = -1;

// What an owner's solids cover, seen alone: pixels that are covered by half or more.
struct Extent {
  std::int32_t left, top, right, bottom;  // to before (right, bottom); right <= left: nothing
  std::int32_t pixels;
};

// Draws in order, the later over the earlier. `labels` (width x height) says what is seen in the
// end. `extents`, one for each owner, grow; their pixels are right where an owner's solids follow
// one another. throws InvalidArgument for a label whose owner has no extent.
void draw_solids(const Picture& picture, std::int16_t* labels, std::span<const Solid> solids,
                 std::span<const std::int16_t> solid_labels, const Light& light,
                 std::span<Extent> extents);

// Darkens where at least one shadow falls, as much as the strongest does. `strength` of 256 is
// black. `scratch` keeps its memory between calls.
void cast_shadows(const Picture& picture, std::span<const Shadow> shadows, int strength,
                  std::vector<std::uint8_t>& scratch);

}  // namespace edgert::draw
