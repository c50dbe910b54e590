// Graphs: what was recorded, and what is replayed.
#pragma once

#include "stream.hpp"

namespace edgert::cuda {

struct NodeTag {
  fake::Operation operation;
  std::vector<NodeHandle> after;
};

struct GraphTag {
  static constexpr std::uint32_t kMagic = 0x57EA0003;
  std::uint32_t magic = kMagic;
  std::vector<std::unique_ptr<NodeTag>> nodes;  // in the order of recording, which is one of theirs
  std::shared_ptr<std::atomic<bool>> alive = std::make_shared<std::atomic<bool>>(true);
};

struct GraphExecTag {
  static constexpr std::uint32_t kMagic = 0x57EA0004;
  struct Step {
    NodeHandle node;
    fake::Operation operation;
  };
  std::uint32_t magic = kMagic;
  std::vector<Step> steps;
  std::shared_ptr<const std::atomic<bool>> graph_alive;
  std::shared_ptr<fake::Mark> replayed;  // the last replay: the next one comes after it
};

}  // namespace edgert::cuda

namespace edgert::fake {

// What launches `function`, with copies of the arguments; or why it cannot be launched.
Status prepare_kernel(cuda::FunctionHandle function, const Shape& shape, void** arguments,
                      Operation& operation);

}  // namespace edgert::fake
