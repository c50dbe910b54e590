// The canvas, pixel by pixel against plain double arithmetic over the whole image: any place, any
// size, nothing outside the image, nothing allocated.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "allocations.hpp"
#include "check.hpp"
#include "draw/canvas.hpp"

using namespace edgert::draw;

namespace {

constexpr std::uint8_t kGuard = 0xa5;
constexpr Colour kInk = {10, 130, 250};

// An image with guard bytes between its rows, of any order of rows. Before the first byte and after
// the last one stands the address sanitizer.
class Image {
 public:
  Image(std::mt19937& random, int width, int height, int padding, bool upside_down)
      : width_(width), height_(height), stride_(3 * width + padding) {
    bytes_.assign(static_cast<std::size_t>(stride_ * (height - 1) + 3 * width), kGuard);
    stride_ = upside_down ? -stride_ : stride_;
    for (int y = 0; y < height; ++y) {
      for (int i = 0; i < 3 * width; ++i) row(y)[i] = static_cast<std::uint8_t>(random());
    }
  }

  int width() const { return width_; }
  int height() const { return height_; }
  std::uint8_t* row(int y) {
    return bytes_.data() + (stride_ < 0 ? -stride_ * (height_ - 1) : 0) + y * stride_;
  }
  Canvas canvas() { return {row(0), width_, height_, stride_}; }

  bool guards_hold() {
    std::vector<std::uint8_t> rest = bytes_;
    for (int y = 0; y < height_; ++y) {
      std::fill_n(rest.data() + (row(y) - bytes_.data()), 3 * width_, kGuard);
    }
    return std::all_of(rest.begin(), rest.end(), [](std::uint8_t b) { return b == kGuard; });
  }

 private:
  int width_, height_;
  std::ptrdiff_t stride_;
  std::vector<std::uint8_t> bytes_;
};

Image random_image(std::mt19937& random, int largest) {
  const auto below = [&](int end) {
    return static_cast<int>(random() % static_cast<unsigned>(end));
  };
  return {random, 1 + below(largest), 1 + below(largest), below(2) * below(20), below(3) == 0};
}

// draw(canvas) changes the image to where coverage(x, y) says, from 0 to 1, and nothing else.
template <typename Draw, typename Coverage>
void check_drawing(Image image, Draw draw, Coverage coverage, double tolerance) {
  Image before = image;
  Canvas canvas = image.canvas();
  const std::size_t allocations_before = allocations;
  draw(canvas);
  CHECK(allocations == allocations_before);
  CHECK(image.guards_hold());
  const std::uint8_t ink[3] = {kInk.blue, kInk.green, kInk.red};
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const double share = coverage(x, y);
      for (int c = 0; c < 3; ++c) {
        const double ground = before.row(y)[3 * x + c];
        const double expected = ground + share * (ink[c] - ground);
        CHECK(std::abs(image.row(y)[3 * x + c] - expected) <= tolerance);
      }
    }
  }
}

void check_stroke(const Image& image, Point a, Point b, float radius) {
  const double dx = double{b.x} - double{a.x}, dy = double{b.y} - double{a.y};
  const double length = std::hypot(dx, dy);
  const double ux = length == 0 ? 1 : dx / length, uy = length == 0 ? 0 : dy / length;
  const auto coverage = [&](int x, int y) {
    const double px = x + 0.5 - a.x, py = y + 0.5 - a.y;
    const double along = std::clamp(px * ux + py * uy, 0.0, length);
    const double across = std::abs(px * uy - py * ux);
    const double beyond = std::abs(px * ux + py * uy - along);
    return std::clamp(radius + 0.5 - std::hypot(across, beyond), 0.0, std::min(1.0, 2.0 * radius));
  };
  // Half a level for the rounding of the weight, half for that of the pixel, and for single
  // precision where the pixel is far from the start of what was cut to the image.
  check_drawing(image, [&](Canvas& canvas) { canvas.stroke(a, b, radius, kInk); }, coverage, 1.1);
}

void test_strokes() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> place(-80, 160), width(0.05f, 9), share(0, 1);
  for (int round = 0; round < 1500; ++round) {
    const Image image = random_image(random, 90);
    Point a = {place(random), place(random)}, b = {place(random), place(random)};
    if (round % 5 == 0) b = a;
    if (round % 7 == 0) b.y = a.y;
    if (round % 11 == 0) b.x = a.x;
    if (round % 13 == 0) b.y = a.y + 1e-4f * share(random);
    if (round % 17 == 0) a = {std::round(a.x), std::round(a.y)};
    check_stroke(image, a, b, width(random));
  }
}

void test_strokes_from_far_away() {
  std::mt19937 random(2);
  const Image image(random, 70, 50, 5, false);
  // Whole numbers, so that the ends themselves are exact; the oracle has digits to spare up to 1e7.
  for (const float far : {1e3f, 1e5f, 4e6f, 1e7f}) {
    check_stroke(image, {-far, 20}, {far, 20}, 2);
    check_stroke(image, {30, -far}, {30, far}, 2.5f);
    check_stroke(image, {-far, -far}, {far, far}, 1.5f);
    check_stroke(image, {35, 25}, {35 + far, 25 - far / 2}, 3);
    check_stroke(image, {far, far}, {far, far}, 4);
    check_stroke(image, {-far, 20}, {30, 26}, 5);
    check_stroke(image, {40, far}, {35, 21}, 5);
    check_stroke(image, {-far, far}, {far, far}, 4);
  }
}

void test_what_cannot_be_drawn() {
  std::mt19937 random(3);
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float largest = std::numeric_limits<float>::max();
  const auto nothing = [](int, int) { return 0.0; };
  const Image image(random, 33, 21, 3, true);
  for (const float bad : {inf, -inf, nan}) {
    for (int place = 0; place < 5; ++place) {
      float v[5] = {3, 4, 15, 16, 2};
      v[place] = bad;
      check_drawing(
          image, [&](Canvas& c) { c.stroke({v[0], v[1]}, {v[2], v[3]}, v[4], kInk); }, nothing, 0);
      check_drawing(
          image, [&](Canvas& c) { c.outline({v[0], v[1]}, {v[2], v[3]}, v[4], kInk); }, nothing, 0);
    }
  }
  for (const float radius : {0.0f, -0.2f, -1.0f, -largest}) {
    check_drawing(image, [&](Canvas& c) { c.stroke({3, 4}, {15, 4}, radius, kInk); }, nothing, 0);
  }
  // Finite but absurd: no crash, no undefined conversion, nothing outside the image.
  const float values[] = {-largest, -1e20f, -3e9f, 0, 1e-45f, 7, 3e9f, 1e20f, largest};
  Image target = image;
  Canvas canvas = target.canvas();
  for (const float x1 : values) {
    for (const float y1 : values) {
      for (const float x2 : values) {
        for (const float y2 : values) {
          for (const float size : {1e-45f, 3.0f, 1e9f, 1e19f, largest}) {
            canvas.stroke({x1, y1}, {x2, y2}, size, kInk);
            canvas.outline({x1, y1}, {x2, y2}, size, kInk);
          }
        }
      }
    }
  }
  CHECK(target.guards_hold());
}

void test_outlines() {
  std::mt19937 random(4);
  std::uniform_real_distribution<float> place(-30, 90);
  for (int round = 0; round < 500; ++round) {
    const Image image = random_image(random, 60);
    const Point a = {place(random), place(random)}, b = {place(random), place(random)};
    const int bar = 1 + static_cast<int>(random() % 6);
    const auto left = std::lrint(a.x), top = std::lrint(a.y);
    const auto right = std::lrint(b.x), bottom = std::lrint(b.y);
    const auto coverage = [&](int x, int y) {
      const bool within = x >= left && x < right && y >= top && y < bottom;
      const bool hole = x >= left + bar && x < right - bar && y >= top + bar && y < bottom - bar;
      return within && !hole ? 1.0 : 0.0;
    };
    check_drawing(
        image, [&](Canvas& c) { c.outline(a, b, static_cast<float>(bar), kInk); }, coverage, 0);
  }
}

void test_fills_and_masks() {
  std::mt19937 random(5);
  for (int round = 0; round < 800; ++round) {
    const Image image = random_image(random, 60);
    const int width = static_cast<int>(random() % 50), height = static_cast<int>(random() % 30);
    std::vector<std::uint8_t> cover(static_cast<std::size_t>(width * height));
    for (auto& value : cover) {  // the ends of the range count most
      value = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : (random() % 2) * 255);
    }
    const int left = static_cast<int>(random() % 130) - 60;
    const int top = static_cast<int>(random() % 130) - 60;
    const MaskView mask = {cover.data(), width, height, width};
    const auto within = [&](int x, int y) {
      return x >= left && x < left + width && y >= top && y < top + height;
    };
    check_drawing(
        image, [&](Canvas& c) { c.fill({left, top, left + width, top + height}, kInk); },
        [&](int x, int y) { return within(x, y) ? 1.0 : 0.0; }, 0);
    check_drawing(
        image, [&](Canvas& c) { c.blit(mask, left, top, kInk); },
        [&](int x, int y) {
          const auto at = static_cast<std::size_t>((y - top) * width + (x - left));
          return within(x, y) ? cover[at] / 255.0 : 0.0;
        },
        1.1);
  }
}

void test_far_away_masks() {
  std::mt19937 random(6);
  const Image image = random_image(random, 40);
  const std::uint8_t cover[12] = {255};
  const MaskView mask = {cover, 4, 3, 4};
  const auto nothing = [](int, int) { return 0.0; };
  const std::int64_t low = std::numeric_limits<int>::min(), high = std::numeric_limits<int>::max();
  for (const std::int64_t x : {low, high}) {
    check_drawing(image, [&](Canvas& c) { c.blit(mask, x, 0, kInk); }, nothing, 0);
    check_drawing(image, [&](Canvas& c) { c.blit(mask, 0, x, kInk); }, nothing, 0);
    check_drawing(image, [&](Canvas& c) { c.fill({x, 0, x + 4, 3}, kInk); }, nothing, 0);
    check_drawing(image, [&](Canvas& c) { c.fill({0, x, 4, x + 3}, kInk); }, nothing, 0);
  }
}

}  // namespace

int main() {
  test_strokes();
  test_strokes_from_far_away();
  test_what_cannot_be_drawn();
  test_outlines();
  test_fills_and_masks();
  test_far_away_masks();
}
