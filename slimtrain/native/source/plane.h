// Convolutions over one or two dimensions, and rows of their inputs copied with the padding that they have not.
#pragma once

#include <algorithm>

#include "geometry.h"

namespace slimtrain {

struct Plane {  // a 2-D geometry
  int64_t in, out, height, width, rows, columns, kernel_height, kernel_width;
  int64_t stride_y, stride_x, rate_y, rate_x, before_y, before_x;

  explicit Plane(const Geometry& g)
      : in(g.in), out(g.out), height(1), rows(1), kernel_height(1), stride_y(1), rate_y(1), before_y(0) {
    const size_t x = g.kernel.size() - 1;
    width = g.inputs[x], columns = g.outputs[x], kernel_width = g.kernel[x];
    stride_x = g.stride[x], rate_x = g.rate[x], before_x = g.before[x];
    if (x == 0) return;
    height = g.inputs[0], rows = g.outputs[0], kernel_height = g.kernel[0];
    stride_y = g.stride[0], rate_y = g.rate[0], before_y = g.before[0];
  }

  // Columns of inputs, padding with them, that a row of outputs reads.
  int64_t span() const { return (columns - 1) * stride_x + (kernel_width - 1) * rate_x + 1; }

  // Rows of inputs that `count` rows of outputs read.
  int64_t reach(int64_t count) const { return (count - 1) * stride_y + (kernel_height - 1) * rate_y + 1; }
};

// Copies `tile` channels from `channel` on of a row of an example's inputs, [span][tile]; zeros where there are none.
inline void copy_row(const Plane& p, const float* x, int64_t example, int64_t row, int64_t channel, int64_t tile,
                     int64_t span, float* to) {
  if (row < 0 || row >= p.height) {
    std::fill(to, to + span * tile, 0.0f);
    return;
  }
  const int64_t begin = std::min(p.before_x, span), end = std::max(begin, std::min(span, p.before_x + p.width));
  const int64_t channels = std::min(tile, p.in - channel);
  const float* from = x + (example * p.height + row) * p.width * p.in + channel;
  std::fill(to, to + begin * tile, 0.0f);
  if (tile == p.in) {
    std::copy(from, from + (end - begin) * tile, to + begin * tile);
  } else {
    for (int64_t column = begin; column < end; ++column, from += p.in)
      for (int64_t c = 0; c < channels; ++c) to[column * tile + c] = from[c];
  }
  std::fill(to + end * tile, to + span * tile, 0.0f);
}

}  // namespace slimtrain
