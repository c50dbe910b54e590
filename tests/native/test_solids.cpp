// Solids, shadows and film against plain double arithmetic over every pixel: what is covered, what
// labels and extents say, nothing outside the picture, whatever the numbers.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "draw/film.hpp"
#include "draw/solids.hpp"
#include "error.hpp"

using namespace edgert::draw;

namespace {

constexpr std::uint8_t kGuard = 0xa5;
constexpr Light kWhite = {0, 0, 1, 1, 0};
constexpr Extent kNothing = {std::numeric_limits<int>::max(), std::numeric_limits<int>::max(), 0, 0,
                             0};

// A picture with guard bytes between its rows, and its labels.
struct Sheet {
  Sheet(int w, int h, std::uint8_t ground) : width(w), height(h), stride(3 * w + 5) {
    bytes.assign(static_cast<std::size_t>(stride * h), kGuard);
    for (int y = 0; y < h; ++y)
      std::fill_n(&bytes[static_cast<std::size_t>(y * stride)], 3 * w, ground);
    labels.assign(static_cast<std::size_t>(w * h), kNoLabel);
  }
  Picture picture() { return {bytes.data(), width, height, stride}; }
  int at(int x, int y) const { return bytes[static_cast<std::size_t>(y * stride + 3 * x)]; }
  int label(int x, int y) const { return labels[static_cast<std::size_t>(y * width + x)]; }
  bool guards_hold() const {
    for (int y = 0; y < height; ++y) {
      for (int i = 3 * width; i < stride; ++i) {
        if (bytes[static_cast<std::size_t>(y * stride + i)] != kGuard) return false;
      }
    }
    return true;
  }

  int width, height, stride;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int16_t> labels;
};

Solid solid_of(Point a, Point b, float start_radius, float end_radius, float start_cap,
               float end_cap) {
  Solid s{};
  s.start = a;
  s.end = b;
  s.start_radius = start_radius;
  s.end_radius = end_radius;
  s.start_cap = start_cap;
  s.end_cap = end_cap;
  std::fill_n(s.colour, 3, 255.0f);
  s.patch_threshold = 2;
  return s;  // flat and in white light: a pixel's value is its coverage times 255
}

// Whether a point lies within a solid, from its definition.
bool within(const Solid& s, double x, double y) {
  const double dx = s.end.x - s.start.x, dy = s.end.y - s.start.y;
  const double length = std::sqrt(dx * dx + dy * dy);
  const double ux = length > 0 ? dx / length : 0, uy = length > 0 ? dy / length : 1;
  const double u = (x - s.start.x) * ux + (y - s.start.y) * uy;
  const double v = (y - s.start.y) * ux - (x - s.start.x) * uy;
  const double t = length > 0 ? std::clamp(u / length, 0.0, 1.0) : 0;
  const double radius = s.start_radius + t * (s.end_radius - s.start_radius);
  const double cap = u < 0 ? s.start_cap : s.end_cap;
  const double past = u < 0 ? -u : std::max(u - length, 0.0);
  if (past == 0) return std::abs(v) <= radius;
  if (cap == 0) return false;
  return (past / cap) * (past / cap) + v * v <= radius * radius;
}

double share_of(const Solid& s, int x, int y) {
  constexpr int kSteps = 8;
  int hits = 0;
  for (int j = 0; j < kSteps; ++j) {
    for (int i = 0; i < kSteps; ++i)
      hits += within(s, x + (i + 0.5) / kSteps, y + (j + 0.5) / kSteps);
  }
  return hits / double{kSteps * kSteps};
}

std::vector<Extent> draw(Sheet& sheet, const std::vector<Solid>& solids,
                         const std::vector<std::int16_t>& labels, std::size_t owners,
                         const Light& light = kWhite) {
  std::vector<Extent> extents(owners, kNothing);
  const std::size_t before = allocations;
  draw_solids(sheet.picture(), sheet.labels.data(), solids, labels, light, extents);
  CHECK(allocations == before);
  CHECK(sheet.guards_hold());
  return extents;
}

void test_coverage() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> place(-15, 75), radius(1.5f, 12);
  for (int round = 0; round < 300; ++round) {
    Sheet sheet(60 - round % 17, 44 + round % 5, 0);
    const float caps[] = {0.0f, 0.5f, 1.0f};
    const Point a = {place(random), place(random)};
    const Point b = round % 9 == 0 ? a : Point{place(random), place(random)};
    const bool dot = round % 9 == 0;
    const Solid solid = solid_of(a, b, radius(random), radius(random), dot ? 1 : caps[round % 3],
                                 dot ? 1 : caps[round / 3 % 3]);
    draw(sheet, {solid}, {0}, 1);
    double drawn = 0, expected = 0;
    for (int y = 0; y < sheet.height; ++y) {
      for (int x = 0; x < sheet.width; ++x) {
        const double level = sheet.at(x, y) / 255.0, share = share_of(solid, x, y);
        drawn += level;
        expected += share;
        // Well inside and well outside there is no doubt; between, a distance stands for an area.
        if (share == 0) CHECK(level < 0.55);
        if (share == 1) CHECK(level > 0.45);
        // The label says what the picture shows.
        CHECK((sheet.label(x, y) == 0) == (sheet.at(x, y) >= 128));
      }
    }
    CHECK(std::abs(drawn - expected) <= 0.06 * expected + 4);
  }
}

void test_labels_and_extents() {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> place(-10, 60), radius(0.2f, 9);
  for (int round = 0; round < 200; ++round) {
    std::vector<Solid> solids;
    std::vector<std::int16_t> labels;
    for (int owner = 0; owner < 5; ++owner) {
      for (int part = 0; part < 4; ++part) {
        solids.push_back(solid_of({place(random), place(random)}, {place(random), place(random)},
                                  radius(random), radius(random), 1, 1));
        labels.push_back(static_cast<std::int16_t>(kPartsPerOwner * owner + part));
      }
    }
    Sheet sheet(53, 47, 0);
    const std::vector<Extent> extents = draw(sheet, solids, labels, 5);
    for (int owner = 0; owner < 5; ++owner) {
      Sheet alone(53, 47, 0);
      const auto first = static_cast<std::size_t>(4 * owner);
      draw(alone, {solids.begin() + first, solids.begin() + first + 4},
           {labels.begin() + first, labels.begin() + first + 4}, 5);
      Extent expected = kNothing;
      for (int y = 0; y < 47; ++y) {
        for (int x = 0; x < 53; ++x) {
          if (alone.label(x, y) == kNoLabel) continue;
          expected = {std::min(expected.left, x), std::min(expected.top, y),
                      std::max(expected.right, x + 1), std::max(expected.bottom, y + 1),
                      expected.pixels + 1};
        }
      }
      CHECK(std::memcmp(&expected, &extents[static_cast<std::size_t>(owner)], sizeof(Extent)) == 0);
    }
    // The last owner lies on top of all: what it covers is its own.
    for (int y = 0; y < 47; ++y) {
      for (int x = 0; x < 53; ++x) CHECK(sheet.label(x, y) < 5 * kPartsPerOwner);
    }
  }
}

void test_light_and_patch() {
  // Lit from the left, the left side of an upright limb is brighter; the patch is where the surface
  // looks to the right.
  Solid limb = solid_of({30, 5}, {30, 55}, 20, 20, 1, 1);
  limb.roundness = 1;
  Sheet lit(60, 60, 0);
  draw(lit, {limb}, {0}, 1, {-1, 0, 0, 0.3f, 0.6f});
  CHECK(lit.at(15, 30) > lit.at(30, 30) + 40);
  CHECK(lit.at(30, 30) > lit.at(45, 30));
  limb.patch_axis[0] = 1;
  limb.patch_threshold = 0.5f;
  Sheet patched(60, 60, 90);
  draw(patched, {limb}, {0}, 1);
  CHECK(patched.at(45, 30) == 0);
  CHECK(patched.at(30, 30) == 255);
  // Motion across an upright limb softens its sides, and its ends not.
  Solid moving = solid_of({30, 20}, {30, 40}, 10, 10, 0, 0);
  moving.blur_x = 8;
  Sheet blurred(60, 60, 0);
  draw(blurred, {moving}, {0}, 1);
  CHECK(blurred.at(18, 30) > 20 && blurred.at(22, 30) < 235);
  // Beside a flat end that cuts through pixels there is nothing.
  Sheet flat(60, 60, 0);
  draw(flat, {solid_of({30, 20.2f}, {30, 40.2f}, 10, 10, 0, 0)}, {0}, 1);
  for (int x = 45; x < 60; ++x) CHECK(flat.at(x, 19) == 0 && flat.at(x, 40) == 0);
  CHECK(blurred.at(30, 17) == 0 && blurred.at(30, 21) > 250);
}

void test_absurd_numbers() {
  const float inf = std::numeric_limits<float>::infinity();
  const float values[] = {
      inf, -inf, std::numeric_limits<float>::quiet_NaN(), 3e38f, -3e38f, 1e5f, -1e5f, 0, 1e-40f};
  Sheet sheet(40, 30, 10);
  for (int column = 0; column < kSolidFloats; ++column) {
    for (const float value : values) {
      Solid solid = solid_of({5, 5}, {30, 25}, 6, 3, 1, 0.5f);
      float row[kSolidFloats];
      std::memcpy(row, &solid, sizeof solid);
      row[column] = value;
      std::memcpy(&solid, row, sizeof solid);
      const std::vector<std::uint8_t> before = sheet.bytes;
      draw(sheet, {solid}, {0}, 1);
      if (!std::isfinite(value)) CHECK(sheet.bytes == before);
    }
  }
  for (const int label : {-1, 32, 32767}) {
    std::vector<Extent> extents(1, kNothing);
    const std::vector<Solid> solids = {solid_of({5, 5}, {6, 6}, 2, 2, 1, 1)};
    const std::vector<std::int16_t> labels = {static_cast<std::int16_t>(label)};
    CHECK_THROWS(draw_solids(sheet.picture(), sheet.labels.data(), solids, labels, kWhite, extents),
                 edgert::InvalidArgument);
  }
}

void test_shadows() {
  std::vector<std::uint8_t> scratch;
  const Shadow one = {{10, 20}, {50, 20}, 6, 6, 1};
  Sheet once(60, 40, 200), twice(60, 40, 200), none(60, 40, 200);
  cast_shadows(once.picture(), std::vector<Shadow>{one}, 128, scratch);
  cast_shadows(twice.picture(), std::vector<Shadow>{one, one}, 128, scratch);
  CHECK(once.bytes == twice.bytes);  // a shadow in a shadow is no darker
  CHECK(once.at(30, 20) == 100 && once.at(30, 35) == 200 && once.at(1, 20) == 200);
  CHECK(once.guards_hold());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int column = 0; column < kShadowFloats; ++column) {
    float row[kShadowFloats] = {10, 20, 50, 20, 6, 6, 1};
    row[column] = nan;
    Shadow broken;
    std::memcpy(&broken, row, sizeof broken);
    cast_shadows(none.picture(), std::vector<Shadow>{broken}, 256, scratch);
  }
  CHECK(none.at(30, 20) == 200);
}

void test_film() {
  std::mt19937 random(3);
  Sheet source(70, 30, 0), target(64, 26, 0);
  for (auto& byte : source.bytes) byte = static_cast<std::uint8_t>(random());
  const std::vector<Tap> taps = {{0, 0, 100}, {6, 4, 56}, {3, 1, 100}};
  expose(source.picture(), target.picture(), taps);
  CHECK(target.guards_hold());
  for (int y = 0; y < 26; ++y) {
    for (int x = 0; x < 64; ++x) {
      const double sum =
          100 * source.at(x, y) + 56 * source.at(x + 6, y + 4) + 100 * source.at(x + 3, y + 1);
      CHECK(std::abs(target.at(x, y) - sum / 256) <= 0.51);
    }
  }
  const auto expose_one = [&](Tap tap) {
    expose(source.picture(), target.picture(), std::vector<Tap>{tap});
  };
  expose_one({6, 4, 256});
  for (const Tap bad : {Tap{7, 4, 256}, Tap{6, 5, 256}, Tap{-1, 0, 256}, Tap{0, -1, 256},
                        Tap{0, 0, 255}, Tap{0, 0, 257}, Tap{0, 0, -256}}) {
    CHECK_THROWS(expose_one(bad), edgert::InvalidArgument);
  }

  const std::vector<std::int8_t> noise = [] {
    std::vector<std::int8_t> values(3 * 64 + 7);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::int8_t>(static_cast<int>(i * 37 % 256) - 128);
    }
    return values;
  }();
  const Sheet before = target;
  std::vector<std::int64_t> offsets(26, 0);
  offsets[3] = 7;
  add_noise(target.picture(), noise, offsets);
  CHECK(target.guards_hold());
  for (int y = 0; y < 26; ++y) {
    for (int x = 0; x < 64; ++x) {
      const int sum = before.at(x, y) + noise[static_cast<std::size_t>((y == 3 ? 7 : 0) + 3 * x)];
      CHECK(target.at(x, y) == std::clamp(sum, 0, 255));
    }
  }
  for (const std::int64_t offset : {-1, 8}) {
    offsets[5] = offset;
    CHECK_THROWS(add_noise(target.picture(), noise, offsets), edgert::InvalidArgument);
  }
}

}  // namespace

int main() {
  test_coverage();
  test_labels_and_extents();
  test_light_and_patch();
  test_absurd_numbers();
  test_shadows();
  test_film();
}
