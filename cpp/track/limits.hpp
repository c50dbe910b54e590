// The reference's constants that it does not let anyone set.
#pragma once

namespace edgert::track {

inline constexpr double kLowLimit = 0.5;          // largest cost of a match with a low detection
inline constexpr double kUnconfirmedLimit = 0.7;  // largest cost of a track's second match
inline constexpr double kDuplicateCost = 0.15;    // IoU distance under which two tracks are one

}  // namespace edgert::track
