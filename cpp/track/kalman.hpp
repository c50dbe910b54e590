// The Kalman filter of DeepSORT (Wojke et al., 2017) as ByteTrack uses it: centre x, centre y,
// aspect (width / height) and height, each with a velocity per frame.
//
// No term of the model mixes two of the four quantities, so the 8x8 filter is four 2x2 ones. Centre
// x, centre y and height moreover share every noise term, hence their covariance: two triples are
// the whole 8x8 matrix.
#pragma once

#include <cmath>

#include "track/box.hpp"

namespace edgert::track {

inline constexpr double kPositionWeight = 1.0 / 20;   // std of a position, in heights
inline constexpr double kVelocityWeight = 1.0 / 160;  // std of a velocity, in heights per frame

// Symmetric covariance of one quantity and its velocity.
struct Covariance {
  double position, mixed, velocity;
};

// What one step of `frames` frames does. A step of n whole frames equals n steps of one frame with
// the same process noise: the last two are the sums of k and k * k for k < n.
struct TimeStep {
  double frames, square, sum_k, sum_k2;

  explicit TimeStep(double n)
      : frames(n), square(n * n), sum_k(n * (n - 1) / 2), sum_k2(n * (n - 1) * (2 * n - 1) / 6) {}
};

// The affine motion of the picture, x' = a x + b y + tx, y' = c x + d y + ty.
struct Warp {
  double a, b, tx, c, d, ty;

  double scale() const { return std::sqrt(std::abs(a * d - b * c)); }
};

class KalmanState {
 public:
  KalmanState() = default;

  // A track at rest on a box whose sides are larger than 0.
  explicit KalmanState(const Box& box);

  // Moves the state on. `shape_moves` false: the height stays (a lost track's).
  void predict(const TimeStep& step, bool shape_moves);

  // Corrects the state with a detected box.
  void update(const Box& box);

  // Follows a moving camera. A similarity is exact; of any other affine map the covariance and the
  // height take the mean scale.
  void warp(const Warp& warp);

  // The box of the state, rounded as the reference rounds it.
  Box box() const {
    const double width = mean_[2] * mean_[3];
    const double x1 = mean_[0] - width / 2;
    const double y1 = mean_[1] - mean_[3] / 2;
    return {x1, y1, x1 + width, y1 + mean_[3]};
  }

  // False where the centre or the height has left the range in which arithmetic is safe.
  bool bounded() const {
    constexpr double kFar = 1e12;
    return std::abs(mean_[0]) < kFar && std::abs(mean_[1]) < kFar && std::abs(mean_[3]) < kFar;
  }

 private:
  struct Measurement {
    double value[4];
    explicit Measurement(const Box& box) {
      const double width = box.x2 - box.x1, height = box.y2 - box.y1;
      value[0] = box.x1 + width / 2;
      value[1] = box.y1 + height / 2;
      value[2] = width / height;
      value[3] = height;
    }
  };

  static double squared(double x) { return x * x; }

  double mean_[4];
  double velocity_[4];
  Covariance body_;    // of centre x, centre y and height alike
  Covariance aspect_;  // of the aspect
};

inline KalmanState::KalmanState(const Box& box) : velocity_{0, 0, 0, 0} {
  const Measurement z(box);
  for (int i = 0; i < 4; ++i) mean_[i] = z.value[i];
  const double height = mean_[3];
  body_ = {squared(2 * kPositionWeight * height), 0, squared(10 * kVelocityWeight * height)};
  aspect_ = {squared(1e-2), 0, squared(1e-5)};
}

inline void KalmanState::predict(const TimeStep& step, bool shape_moves) {
  if (!shape_moves) velocity_[3] = 0;
  const double height = mean_[3];
  const auto advance = [&step](Covariance& p, double position_noise, double velocity_noise) {
    p.position += 2 * step.frames * p.mixed + step.square * p.velocity +
                  (step.frames * position_noise + step.sum_k2 * velocity_noise);
    p.mixed += step.frames * p.velocity + step.sum_k * velocity_noise;
    p.velocity += step.frames * velocity_noise;
  };
  advance(body_, squared(kPositionWeight * height), squared(kVelocityWeight * height));
  advance(aspect_, squared(1e-2), squared(1e-5));
  for (int i = 0; i < 4; ++i) mean_[i] += step.frames * velocity_[i];
}

inline void KalmanState::update(const Box& box) {
  const Measurement z(box);
  struct Gain {
    double position, velocity;
  };
  const auto correct = [](Covariance& p, double noise) {
    const double spread = p.position + noise;
    const Gain gain{p.position / spread, p.mixed / spread};
    p.position -= gain.position * spread * gain.position;
    p.velocity -= gain.velocity * spread * gain.velocity;
    p.mixed -= gain.position * spread * gain.velocity;
    return gain;
  };
  const Gain body = correct(body_, squared(kPositionWeight * mean_[3]));
  const Gain aspect = correct(aspect_, squared(1e-1));
  for (int i = 0; i < 4; ++i) {
    const Gain& gain = i == 2 ? aspect : body;
    const double innovation = z.value[i] - mean_[i];
    mean_[i] += innovation * gain.position;
    velocity_[i] += innovation * gain.velocity;
  }
}

inline void KalmanState::warp(const Warp& warp) {
  const auto turn = [&warp](double& x, double& y) {
    const double turned = warp.a * x + warp.b * y;
    y = warp.c * x + warp.d * y;
    x = turned;
  };
  turn(mean_[0], mean_[1]);
  turn(velocity_[0], velocity_[1]);
  mean_[0] += warp.tx;
  mean_[1] += warp.ty;
  const double scale = warp.scale();
  mean_[3] *= scale;
  velocity_[3] *= scale;
  for (double* term : {&body_.position, &body_.mixed, &body_.velocity}) *term *= scale * scale;
}

}  // namespace edgert::track
