// Letterbox and person crops on the host.
#pragma once

#include <span>
#include <vector>

#include "stages/affine.hpp"
#include "stages/frame.hpp"
#include "tensor.hpp"

namespace edgert::cpu {

// Writes item i of `output`, (N, 3, H, W) float or half, from `frame` through placements[i], for
// all i below placements.size(). The output holds RGB: the frame's channels reversed.
void warp(const FrameView& frame, std::span<const Placement> placements,
          const Normalization& normalization, const TensorView& output);

}  // namespace edgert::cpu
