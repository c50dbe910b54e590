// Person box -> network input: HRNet's top-down crop, and the stretched one of appearance networks.
#pragma once

#include "boxes.h"
#include "stages/affine.hpp"

namespace edgert {

// The box, its shorter side grown to the network's aspect and both sides scaled by `padding` around
// the centre, fills the whole input. Box in frame pixels, width and height in network pixels.
Placement crop(Box box, int width, int height, double padding);

// The box, both sides scaled by `padding` around the centre, stretched over the whole input.
Placement stretch(Box box, int width, int height, double padding);

}  // namespace edgert
