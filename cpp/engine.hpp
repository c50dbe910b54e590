// A network bound to fixed memory: a stage fills the input, run() fills the outputs. What runs it
// (ONNX Runtime, TensorRT) is not known here.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tensor.hpp"

namespace edgert {

class Engine {
 public:
  Engine(TensorView input, std::vector<TensorView> outputs)
      : input_(input), outputs_(std::move(outputs)) {}
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Runs the network on the first `batch` items of the input; 1 <= batch <= max_batch().
  virtual void run(int batch) = 0;

  const TensorView& input() const { return input_; }
  std::span<const TensorView> outputs() const { return outputs_; }
  int max_batch() const { return static_cast<int>(input_.shape[0]); }

 private:
  TensorView input_;
  std::vector<TensorView> outputs_;
};

}  // namespace edgert
