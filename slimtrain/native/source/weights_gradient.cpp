// The gradient of a 2-D convolution by its weights: sums of outer products, tile by tile in registers.
//
// A chunk of output rows is copied once: the inputs with their padding, in tiles of `tall` channels, the outputs'
// gradient in tiles of two vectors, so that the inner loop reads both from the nearest cache. Where the inputs have few
// channels, a row of the kernel is read as one channel axis of kernel width times channels instead.

#include <algorithm>
#include <vector>

#include "geometry.h"
#include "parts.h"
#include "plane.h"
#include "register_tiles.h"

namespace slimtrain::weights_gradient {
namespace {

namespace ffi = xla::ffi;

struct Range {
  int64_t from, to;
  int64_t size() const { return to - from; }
};

enum Buffer { packed_inputs, packed_outputs };

class WeightsGradient {
 public:
  explicit WeightsGradient(const Geometry& geometry)
      : p_(geometry),
        merged_(p_.in <= few && (p_.rate_x == 1 || p_.kernel_width == 1)),
        tile_(merged_ ? p_.in : tall),
        span_(p_.span()) {}

  // Tiles of input channels.
  int64_t tiles() const { return (p_.in + tile_ - 1) / tile_; }

  // The sum over some rows of outputs, of all examples one after the other, written to `sums`; for some of the tiles.
  void run(const float* x, const float* y, Range rows, Range tiles, float* sums) const {
    const int64_t pixel = (tiles.size() * tile_ * p_.stride_y * p_.stride_x + p_.out) * sizeof(float);
    const int64_t most_rows = std::max<int64_t>(1, std::min<int64_t>(most_pixels, cache / pixel) / p_.columns);
    for (int64_t first = rows.from; first < rows.to; first += most_rows) {
      const int64_t last = std::min(rows.to, first + most_rows);
      std::vector<int64_t> starts;
      int64_t area;
      const float* inputs = copy_inputs(x, first, last, tiles, starts, area);
      const Walk walk = {starts, p_.columns, p_.stride_x * tile_, first == rows.from};
      add(inputs, area, tiles, walk, y + first * p_.columns * p_.out, sums);
    }
  }

 private:
  static constexpr int64_t few = 16, most_pixels = 768, cache = 640 * 1024;
  Plane p_;
  bool merged_;
  int64_t tile_;  // channels of a tile of inputs
  int64_t span_;  // columns that a row of outputs reads

  // What the output rows [first, last) read, [tiles][rows][span][tile], padded; where each output row starts in a tile.
  const float* copy_inputs(const float* x, int64_t first, int64_t last, Range tiles, std::vector<int64_t>& starts,
                           int64_t& area) const {
    std::vector<std::pair<int64_t, int64_t>> sources;  // (example, row)
    for (int64_t row = first; row < last;) {
      const int64_t example = row / p_.rows, top = row % p_.rows, bottom = std::min(p_.rows, top + last - row);
      for (int64_t r = top; r < bottom; ++r)
        starts.push_back((static_cast<int64_t>(sources.size()) + (r - top) * p_.stride_y) * span_ * tile_);
      const int64_t read = p_.reach(bottom - top);
      for (int64_t r = 0; r < read; ++r) sources.emplace_back(example, top * p_.stride_y - p_.before_y + r);
      row += bottom - top;
    }
    area = static_cast<int64_t>(sources.size()) * span_ * tile_;
    float* copy = static_cast<float*>(kept(packed_inputs, (tiles.size() * area + lanes) * sizeof(float)));
    for (size_t row = 0; row < sources.size(); ++row)
      for (int64_t t = tiles.from; t < tiles.to; ++t)
        copy_row(p_, x, sources[row].first, sources[row].second, t * tile_, tile_, span_,
                 copy + (t - tiles.from) * area + row * span_ * tile_);
    return copy;
  }

  // Adds the products of a chunk, two vectors of output channels at a time.
  void add(const float* x, int64_t area, Range tiles, const Walk& walk, const float* y, float* sums) const {
    const int64_t pixels = static_cast<int64_t>(walk.starts.size()) * p_.columns, across = p_.kernel_width * p_.in;
    float* strip = static_cast<float*>(kept(packed_outputs, pixels * 2 * lanes * sizeof(float)));
    for (int64_t out = 0; out < p_.out; out += 2 * lanes) {
      const bool pair = out + 2 * lanes <= p_.out;
      const int64_t width = pair ? 2 * lanes : lanes;
      for (int64_t pixel = 0; pixel < pixels; ++pixel)
        for (int64_t j = 0; j < width; j += lanes) store(strip + pixel * width + j, load(y + pixel * p_.out + out + j));
      for (int64_t ky = 0; ky < p_.kernel_height; ++ky) {
        const float* rows = x + ky * p_.rate_y * span_ * tile_;
        float* target = sums + ky * across * p_.out + out;
        const auto tile = [&](const float* from, int64_t height, int64_t row) {
          tile_of<AddProducts>(height, pair)(from, strip, walk, width, target + row * p_.out, p_.out);
        };
        if (merged_) {
          evenly(across, tall, [&](int64_t row, int64_t height) { tile(rows + row, height, row); });
          continue;
        }
        for (int64_t kx = 0; kx < p_.kernel_width; ++kx)
          for (int64_t t = tiles.from; t < tiles.to; ++t)
            tile(rows + (t - tiles.from) * area + kx * p_.rate_x * tile_, std::min(tile_, p_.in - t * tile_),
                 kx * p_.in + t * tile_);
      }
    }
  }
};

ffi::Error weights_gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> inputs, ffi::Buffer<ffi::F32> outputs,
                            ffi::ResultBuffer<ffi::F32> result, Ints stride, Ints rate, Ints before, Ints after,
                            int64_t groups) try {
  const Geometry g = Geometry::of(inputs.dimensions(), result->dimensions(), outputs.dimensions(), stride, rate, before,
                                  after, groups);
  if (g.groups != 1 || g.kernel.size() > 2 || g.out % lanes != 0)
    return ffi::Error::InvalidArgument("takes one or two dimensions, one group, outputs in whole vectors");
  const WeightsGradient one(g);
  const float *x = inputs.typed_data(), *y = outputs.typed_data();
  const int64_t rows = g.batch * Plane(g).rows, tiles = one.tiles();
  // Threads that take tiles write each gradient once, where it belongs, and each read all of the outputs' gradient.
  if (tiles >= 8 && 8 * g.weights_size() >= g.batch * g.output_size()) {
    const int64_t parts = parts_of(pool, tiles);
    in_parts(pool, parts, [&](int64_t part) {
      const Range mine = {begin_of(part, parts, tiles), begin_of(part + 1, parts, tiles)};
      one.run(x, y, {0, rows}, mine, result->typed_data());
    });
    return ffi::Error::Success();
  }
  sum_over(pool, rows, g.weights_size(), result->typed_data(), [&](int64_t from, int64_t count, float* sums) {
    one.run(x, y, {from, from + count}, {0, tiles}, sums);
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_products_weights_gradient, weights_gradient);

}  // namespace slimtrain::weights_gradient
