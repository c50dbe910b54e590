// Letterbox and person crops on the host.
#pragma once

#include <span>
#include <vector>

#include "stages/affine.hpp"
#include "stages/frame.hpp"
#include "tensor.hpp"

namespace edgert::cpu {

// Writes item i of `output`, (N, 3, H, W) float, half or INT8, from `frame` through placements[i],
// for all i below placements.size(). The output holds RGB. INT8 is the normalised value rounded
// half to even and clamped: the scale is part of the normalisation.
void warp(const FrameView& frame, std::span<const Placement> placements,
          const Normalization& normalization, const TensorView& output);

}  // namespace edgert::cpu
