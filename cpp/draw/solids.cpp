#include "draw/solids.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "error.hpp"
#include "simd.hpp"

namespace edgert::draw {
namespace {

constexpr int kRun = 16;        // as in canvas.cpp
constexpr float kFlat = 1e-3f;  // the cap of a flat end: no division by nothing
constexpr float kFar = 1e5f;    // beyond any picture; single precision still tells pixels apart

// A tapered capsule's outline and where it may be seen.
struct Outline {
  float start_x, start_y;
  float unit_x, unit_y;
  float length, inverse_length;
  float start_radius, taper;
  float start_sharpness, end_sharpness;  // 1 / cap
  float side_softness, cap_softness;     // width of the edges
  double rim;                            // no pixel is farther from the axis
  double left, right;
  int top, bottom;
};

bool is_drawable(Point a, Point b, float start_radius, float end_radius) {
  // Also false for what is not a number.
  const auto near = [](float v) { return std::abs(v) <= kFar; };
  return near(a.x) && near(a.y) && near(b.x) && near(b.y) && start_radius >= 0 && end_radius >= 0 &&
         start_radius <= kFar && end_radius <= kFar && std::max(start_radius, end_radius) > 0;
}

bool is_drawable(const Solid& solid) {
  for (const float value : std::bit_cast<std::array<float, kSolidFloats>>(solid)) {
    if (!(std::abs(value) <= kFar)) return false;
  }
  return is_drawable(solid.start, solid.end, solid.start_radius, solid.end_radius);
}

// By double arithmetic of square roots alone: std::hypot may differ between C libraries.
Outline outline_of(Point start, Point end, float start_radius, float end_radius, float start_cap,
                   float end_cap, Point blur, float softness, const Picture& picture) {
  Outline o;
  const double dx = double{end.x} - double{start.x}, dy = double{end.y} - double{start.y};
  const double length = std::sqrt(dx * dx + dy * dy);
  const bool is_dot = length < 1e-6;
  o.start_x = start.x;
  o.start_y = start.y;
  o.unit_x = is_dot ? 0.0f : static_cast<float>(dx / length);
  o.unit_y = is_dot ? 1.0f : static_cast<float>(dy / length);
  o.length = is_dot ? 0.0f : static_cast<float>(length);
  o.inverse_length = is_dot ? 0.0f : static_cast<float>(1 / length);
  o.start_radius = start_radius;
  o.taper = end_radius - start_radius;
  o.start_sharpness = 1 / std::max(start_cap, kFlat);
  o.end_sharpness = 1 / std::max(end_cap, kFlat);
  o.side_softness = softness + std::abs(blur.y * o.unit_x - blur.x * o.unit_y);
  o.cap_softness = softness + std::abs(blur.x * o.unit_x + blur.y * o.unit_y);
  const double edge = std::max(o.side_softness, o.cap_softness) / 2 + 1;
  const double widest = std::max(start_radius, end_radius);
  o.rim = widest * std::max({1.0f, start_cap, end_cap}) + edge;
  o.left = std::max(0.0, std::min(start.x, end.x) - o.rim);
  o.right = std::min<double>(picture.width, std::max(start.x, end.x) + o.rim);
  const auto row = [&](double y) {
    return static_cast<int>(std::clamp(y, 0.0, static_cast<double>(picture.height)));
  };
  o.top = row(std::floor(std::min(start.y, end.y) - o.rim));
  o.bottom = row(std::ceil(std::max(start.y, end.y) + o.rim));
  return o;
}

// The pixels of a row that the outline may touch: [first, last).
struct Span {
  int first, last;
};

inline Span span_of(const Outline& o, int y, int width) {
  double left = o.left, right = o.right;
  if (std::abs(o.unit_y) > 0.05f) {  // else the strip crosses the row nearly everywhere
    const double slope = double{o.unit_x} / double{o.unit_y};
    const double middle = o.start_x + (y + 0.5 - o.start_y) * slope;
    const double half = o.rim / std::abs(double{o.unit_y});
    left = std::max(left, middle - half);
    right = std::min(right, middle + half);
  }
  if (!(left < right)) return {0, 0};
  return {static_cast<int>(left), std::min(static_cast<int>(right) + 1, width)};
}

// Where a pixel lies on a capsule.
struct Place {
  float lengthwise;  // pixels from the start
  float along;       // from 0 at the start to 1 at the end
  float across;      // in radii, from -1 to 1 within
  float beyond;      // an end, in radii, signed as the axis
  float radius;      // here
  float coverage;
};

// Choices between values that are there already: a choice between computations would be a branch,
// and a loop with a branch no vector.
inline float lower(float a, float b) {
  return a < b ? a : b;
}
inline float positive(float v) {
  return v > 0.0f ? v : 0.0f;
}
inline float is_positive(float v) {
  return v > 0.0f ? 1.0f : 0.0f;
}

inline Place place_at(const Outline& o, float dx, float dy) {
  const float u = dx * o.unit_x + dy * o.unit_y;
  const float v = dy * o.unit_x - dx * o.unit_y;
  const float scaled = u * o.inverse_length;
  const float along = lower(positive(scaled), 1.0f);
  const float radius = o.start_radius + o.taper * along;
  const float before = positive(-u), after = positive(u - o.length);
  const float sharpness =
      is_positive(before) * (o.start_sharpness - o.end_sharpness) + o.end_sharpness;
  const float past = before + after;  // one of them is 0
  const float is_past = is_positive(past);
  const float b = past * sharpness;
  const float rho = std::sqrt(b * b + v * v);
  const float steep = b * sharpness;
  // An implicit function over the length of its gradient: the distance to first order.
  const float gradient = std::sqrt(steep * steep + v * v) + 1e-9f;
  const float side = radius - std::abs(v);
  const float capped = (radius - rho) * rho / gradient;
  // Beside a flat end the gradient is too steep; no cap is wider than what it closes.
  const float depth = side + is_past * (lower(capped, side) - side);
  const float softness = o.side_softness + is_past * (o.cap_softness - o.side_softness);
  const float full = lower(2.0f * radius / softness, 1.0f);  // of what is thinner than its edges
  const float raw = positive(0.5f + depth / softness);
  const float inverse_radius = 1.0f / (radius + 1e-6f);
  return {
      u,      along,           v * inverse_radius, (after - before) * sharpness * inverse_radius,
      radius, lower(raw, full)};
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

EDGERT_MULTIVERSION
void deepen(std::uint8_t* plane, const Outline& outline, int width) {
  for (int y = outline.top; y < outline.bottom; ++y) {
    const Span span = span_of(outline, y, width);
    const float dy = static_cast<float>(y) + 0.5f - outline.start_y;
    std::uint8_t* row = plane + static_cast<std::ptrdiff_t>(y) * width;
    for (int x = span.first; x < span.last; ++x) {
      const float dx = static_cast<float>(x) + 0.5f - outline.start_x;
      const int depth = static_cast<int>(place_at(outline, dx, dy).coverage * 255.0f + 0.5f);
      row[x] = static_cast<std::uint8_t>(std::max<int>(row[x], depth));
    }
  }
}

EDGERT_MULTIVERSION
void darken(const Picture& picture, const std::uint8_t* plane, int top, int bottom, int strength) {
  for (int y = top; y < bottom; ++y) {
    std::uint8_t* row = picture.pixels + y * picture.row_stride_bytes;
    const std::uint8_t* depth = plane + static_cast<std::ptrdiff_t>(y) * picture.width;
    for (int x = 0; x < picture.width; ++x) {
      const int weight = 65536 - strength * (depth[x] + (depth[x] >> 7));
      for (int c = 0; c < 3; ++c) {
        row[3 * x + c] = static_cast<std::uint8_t>((row[3 * x + c] * weight + 32768) >> 16);
      }
    }
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

void cast_shadows(const Picture& picture, std::span<const Shadow> shadows, int strength,
                  std::vector<std::uint8_t>& scratch) {
  int top = picture.height, bottom = 0;
  scratch.assign(static_cast<std::size_t>(picture.width) * picture.height, 0);
  for (const Shadow& s : shadows) {
    if (!is_drawable(s.start, s.end, s.start_radius, s.end_radius) || !(s.softness > 0)) continue;
    const Outline outline = outline_of(s.start, s.end, s.start_radius, s.end_radius, 1, 1, {0, 0},
                                       std::min(s.softness, kFar), picture);
    deepen(scratch.data(), outline, picture.width);
    top = std::min(top, outline.top);
    bottom = std::max(bottom, outline.bottom);
  }
  darken(picture, scratch.data(), top, bottom, std::clamp(strength, 0, 256));
}

}  // namespace edgert::draw
