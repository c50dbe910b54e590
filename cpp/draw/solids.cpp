#include "draw/solids.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "draw/outline.hpp"
#include "error.hpp"
#include "simd.hpp"

namespace edgert::draw {
namespace {

constexpr int kRun = 16;  // as in canvas.cpp

bool is_drawable(const Solid& solid) {
  for (const float value : std::bit_cast<std::array<float, kSolidFloats>>(solid)) {
    if (!(std::abs(value) <= kFar)) return false;
  }
  return is_drawable(solid.start, solid.end, solid.start_radius, solid.end_radius);
}

inline std::uint32_t scrambled(std::uint32_t v) {  // to noise; two rounds of multiply and fold
  v *= 0x9e3779b1u;
  v ^= v >> 15;
  v *= 0x85ebca6bu;
  return v ^ (v >> 13);
}

struct Run {
  float blue[kRun], green[kRun], red[kRun];
  int weights[kRun];  // 256 covers all
};

// By value: what it stores into might else be what it reads.
inline void shade_run(const Solid solid, const Outline o, const Light light, std::uint32_t seed,
                      float first_x, float dy, Run& __restrict run) {
  const float grain = std::clamp(solid.grain, 0.0f, 1.0f);
  const float steps_per_radius = 3.0f + 25.0f * grain;  // coarse cloth, fine leaves
  for (int i = 0; i < kRun; ++i) {
    const Place place = place_at(o, first_x + static_cast<float>(i), dy);
    run.weights[i] = static_cast<int>(place.coverage * 256.0f + 0.5f);
    // The surface's normal, of unit length within the outline.
    const float s = place.across * solid.roundness, c = place.beyond * solid.roundness;
    const float nz = std::sqrt(positive(1.0f - s * s - c * c));
    const float nx = c * o.unit_x - s * o.unit_y, ny = c * o.unit_y + s * o.unit_x;
    const float facing = positive(nx * light.x + ny * light.y + nz * light.z);
    const float rim = 0.72f + 0.28f * nz;  // less of the sky is seen there; limbs stand out
    // Cells of cloth: fixed to the body, not to the picture.
    const float cell_u = place.lengthwise * steps_per_radius / (place.radius + 1.0f);
    const float cell_v = lower(positive(place.across + 2.0f), 4.0f) * steps_per_radius;
    const auto cell = static_cast<std::uint32_t>(static_cast<int>(cell_u)) * 64u +
                      static_cast<std::uint32_t>(static_cast<int>(cell_v)) + seed;
    const float noise =
        static_cast<float>(static_cast<int>(scrambled(cell) >> 16)) * (1.0f / 32768.0f) - 1.0f;
    const float level = (light.ambient + light.direct * facing) * rim * (1.0f + grain * noise);
    const float turned = nx * solid.patch_axis[0] + ny * solid.patch_axis[1] +
                         nz * solid.patch_axis[2] - solid.patch_threshold;
    const float soft = positive(0.5f + turned * (place.radius + 1.0f));
    const float patch = lower(soft, 1.0f);
    const float stripe = place.along * solid.stripes;
    const float phase = stripe - static_cast<float>(static_cast<int>(stripe));
    const float band = is_positive(phase - 0.5f);
    const float mix = patch + band - patch * band;
    run.blue[i] = level * (solid.colour[0] + mix * (solid.patch_colour[0] - solid.colour[0]));
    run.green[i] = level * (solid.colour[1] + mix * (solid.patch_colour[1] - solid.colour[1]));
    run.red[i] = level * (solid.colour[2] + mix * (solid.patch_colour[2] - solid.colour[2]));
  }
}

inline std::uint8_t mixed(std::uint8_t ground, float colour, int weight) {
  const int ink = static_cast<int>(positive(colour < 255.0f ? colour : 255.0f) + 0.5f);
  return static_cast<std::uint8_t>((ground * (256 - weight) + ink * weight + 128) >> 8);
}

inline void blend(std::uint8_t* __restrict pixels, const Run& run, int count) {
  for (int i = 0; i < count; ++i) {
    pixels[3 * i] = mixed(pixels[3 * i], run.blue[i], run.weights[i]);
    pixels[3 * i + 1] = mixed(pixels[3 * i + 1], run.green[i], run.weights[i]);
    pixels[3 * i + 2] = mixed(pixels[3 * i + 2], run.red[i], run.weights[i]);
  }
}

// What the label's owner covers of this row, and what of it is new to him.
struct Covered {
  int first = std::numeric_limits<int>::max();
  int last = -1;
  int fresh = 0;
};

inline void mark(std::int16_t* __restrict labels, const int* __restrict weights, int label, int x,
                 int count, Covered& covered) {
  const int owner = label / kPartsPerOwner;
  int first = covered.first, last = covered.last, fresh = covered.fresh;
  for (int i = 0; i < count; ++i) {
    const bool inside = weights[i] >= 128;
    const int before = labels[i];
    fresh += inside && (before >> 5) != owner ? 1 : 0;
    first = std::min(first, inside ? x + i : first);
    last = std::max(last, inside ? x + i : last);
    labels[i] = static_cast<std::int16_t>(inside ? label : before);
  }
  covered = {first, last, fresh};
}
static_assert(kPartsPerOwner == 1 << 5 && (kNoLabel >> 5) == -1);

EDGERT_MULTIVERSION
void draw_solid(const Picture& picture, std::int16_t* labels, const Solid& solid,
                const Outline& outline, int label, const Light& light, Extent& extent) {
  // Not of the owner, whose number changes from frame to frame as others pass.
  const auto seed = static_cast<std::uint32_t>(label % kPartsPerOwner) * 0x3c6ef372u;
  Run run;
  for (int y = outline.top; y < outline.bottom; ++y) {
    const Span span = span_of(outline, y, picture.width);
    const float dy = static_cast<float>(y) + 0.5f - outline.start_y;
    std::uint8_t* row = picture.pixels + y * picture.row_stride_bytes;
    std::int16_t* row_labels = labels + static_cast<std::ptrdiff_t>(y) * picture.width;
    Covered covered;
    for (int x = span.first; x < span.last; x += kRun) {
      const float first_x = static_cast<float>(x) + 0.5f - outline.start_x;
      shade_run(solid, outline, light, seed, first_x, dy, run);
      const int room = picture.width - x;
      std::uint8_t* pixels = row + 3 * static_cast<std::ptrdiff_t>(x);
      if (room >= kRun) {
        blend(pixels, run, kRun);
        mark(row_labels + x, run.weights, label, x, kRun, covered);
      } else {
        blend(pixels, run, room);
        mark(row_labels + x, run.weights, label, x, room, covered);
      }
    }
    if (covered.last < 0) continue;
    extent.left = std::min(extent.left, covered.first);
    extent.right = std::max(extent.right, covered.last + 1);
    extent.top = std::min(extent.top, y);
    extent.bottom = std::max(extent.bottom, y + 1);
    extent.pixels += covered.fresh;
  }
}

}  // namespace

void draw_solids(const Picture& picture, std::int16_t* labels, std::span<const Solid> solids,
                 std::span<const std::int16_t> solid_labels, const Light& light,
                 std::span<Extent> extents) {
  for (const std::int16_t label : solid_labels) {
    if (label < 0 || static_cast<std::size_t>(label / kPartsPerOwner) >= extents.size()) {
      throw InvalidArgument("labels: " + std::to_string(label) + " is of no owner; expected 0 to " +
                            std::to_string(kPartsPerOwner * extents.size()) + " exclusive");
    }
  }
  for (std::size_t i = 0; i < solids.size(); ++i) {
    const Solid& solid = solids[i];
    if (!is_drawable(solid)) continue;
    const Outline outline =
        outline_of(solid.start, solid.end, solid.start_radius, solid.end_radius, solid.start_cap,
                   solid.end_cap, {solid.blur_x, solid.blur_y}, 1.0f, picture);
    draw_solid(picture, labels, solid, outline, solid_labels[i], light,
               extents[static_cast<std::size_t>(solid_labels[i] / kPartsPerOwner)]);
  }
}

}  // namespace edgert::draw
