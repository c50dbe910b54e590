// How long a network alone takes: what everything around it is to be compared with.
#pragma once

#include <memory>

#include "cuda/device.hpp"
#include "cuda/network.hpp"

namespace edgert::cuda {

struct NetworkTime {
  float ms;       // a run on one batch, of many back to back
  bool recorded;  // replayed as a graph; else enqueued
};

// With memory of its own, on a stream of its own.
NetworkTime measure(std::shared_ptr<Device> device, const Network& network, int batch, int runs);

}  // namespace edgert::cuda
