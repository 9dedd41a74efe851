// What is done to a convolution's outputs while they are in the cache: biases are added, the sums held between bounds.
#pragma once

#include <cstdint>

#include "vectors.h"

namespace slimtrain {

struct Ending {
  const float* biases;
  float low, high;

  // What is not a number stays as it is, unlike in oneDNN's relu.
  template <typename Number>
  static Number held(Number sum, Number low, Number high) {
    const Number above = sum < low ? low : sum;
    return above > high ? high : above;
  }

  // Outputs, [pixels][channels] of `size` together.
  void operator()(float* y, int64_t size, int64_t channels) const {
    for (int64_t pixel = 0; pixel < size; pixel += channels)
      for (int64_t c = 0; c < channels; ++c) y[pixel + c] = held(y[pixel + c] + biases[c], low, high);
  }

  // A vector of outputs from a channel on.
  Vector operator()(Vector y, int64_t channel) const {
    const Vector none = {};
    return held<Vector>(y + load(biases + channel), none + low, none + high);
  }
};

}  // namespace slimtrain
