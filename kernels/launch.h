// The shapes that whoever launches a kernel and the kernel agree on.
#pragma once

namespace edgert {

// letterbox_*, crops_*: blocks of at most kWarpThreads threads of any shape; each stores kPixels
// pixels of a row, a block's width apart. kWarpBlocks of them share a multiprocessor.
constexpr int kPixels = 4;
constexpr int kWarpThreads = 160;
constexpr int kWarpBlocks = 4;

// select_*: blocks of (kSelectAnchors, kSelectSlices), the classes of an anchor dealt out over y.
constexpr int kSelectAnchors = 32;
constexpr int kSelectSlices = 8;
constexpr int kSelectThreads = kSelectAnchors * kSelectSlices;

// order_candidates: one block. overlap_candidates: blocks of kOverlapThreads rows; x over the words
// of the best kWindow candidates. suppress_*: one block.
constexpr int kWarpSize = 32;
constexpr int kSortThreads = 1024;
constexpr int kWindow = 1024;
constexpr int kFew = 256;  // candidates that the last block of select_* settles itself
constexpr int kWindowWords = kWindow / kWarpSize;
constexpr int kOverlapThreads = 256;
constexpr int kSuppressThreads = 256;

// joints_*: one block a heatmap.
constexpr int kJointThreads = 256;

// cosine_*: blocks of (32, kCosineWarps); each warp one row of the first and kCosineColumns of the
// second.
constexpr int kCosineColumns = 4;
constexpr int kCosineWarps = 4;

}  // namespace edgert
