// The shapes that whoever launches a kernel and the kernel agree on.
#pragma once

namespace edgert {

constexpr int kWarpSize = 32;

// letterbox_*, crops_*: blocks of kWarpRows warps, each for a row; a thread stores kPixels pixels
// of it, a warp's width apart: 288, 192 and nearly 640 are whole numbers of kWarpPixels.
// kWarpBlocks of them share a multiprocessor. A thread does kWarpMaxRows rows at most.
constexpr int kPixels = 3;
constexpr int kWarpPixels = kPixels * kWarpSize;
constexpr int kWarpRows = 4;
constexpr int kWarpThreads = kWarpRows * kWarpSize;
constexpr int kWarpBlocks = 10;
constexpr int kWarpMaxRows = 8;

// select_*: blocks of (kSelectAnchors, kSelectSlices), the classes of an anchor dealt out over y.
constexpr int kSelectAnchors = 32;
constexpr int kSelectSlices = 8;
constexpr int kSelectThreads = kSelectAnchors * kSelectSlices;

// suppress_*: blocks of kSuppressThreads, x over the words of the best kWindow candidates, y over
// pieces of kOverlapRows of them.
constexpr int kSortThreads = kSelectThreads;
constexpr int kWindow = 1024;
constexpr int kFew = 256;  // candidates that the last block of select_* settles itself
constexpr int kWindowWords = kWindow / kWarpSize;
constexpr int kSuppressThreads = kWindow;
constexpr int kOverlapRows = kSuppressThreads / 4;

// joints_*: one block a heatmap.
constexpr int kJointThreads = 256;

// cosine_*: blocks of (32, kCosineWarps); each warp one row of the first and kCosineColumns of the
// second.
constexpr int kCosineColumns = 4;
constexpr int kCosineWarps = 4;

}  // namespace edgert
