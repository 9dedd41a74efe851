// Convolutions of few channels, and their gradients by the inputs where the stride is 1: a tile of outputs, `tall`
// pixels by two vectors of channels, stays in registers over the whole kernel.

#include "parts.h"
#include "plane.h"
#include "register_tiles.h"

namespace slimtrain::direct {
namespace {

namespace ffi = xla::ffi;

enum Buffer { padded_inputs };

// [pairs of vectors of outputs][taps and inputs][two vectors]. Of a gradient the kernel is turned round and its inputs
// and outputs change places.
void pack(const float* w, const Plane& p, bool gradient, float* to) {
  const int64_t taps = p.kernel_height * p.kernel_width;
  for (int64_t out = 0; out < p.out; out += 2 * lanes) {
    const int64_t width = std::min<int64_t>(2 * lanes, p.out - out);
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = 0; c < p.in; ++c, to += width)
        for (int64_t o = 0; o < width; ++o)
          to[o] = gradient ? w[((taps - 1 - tap) * p.out + out + o) * p.in + c] : w[(tap * p.in + c) * p.out + out + o];
  }
}

// Rows [first, last) of the outputs of an example.
void band(const Plane& p, const float* x, const float* w, int64_t example, int64_t first, int64_t last, float* y) {
  const int64_t span = p.span(), read = p.reach(last - first), row_size = span * p.in;
  float* inputs = static_cast<float*>(kept(padded_inputs, read * row_size * sizeof(float)));
  for (int64_t r = 0; r < read; ++r)
    copy_row(p, x, example, first * p.stride_y - p.before_y + r, 0, p.in, span, inputs + r * row_size);
  const bool whole = p.rate_x == 1;  // a row of the kernel is one run of numbers
  const Kernel kernel = {p.kernel_height, p.rate_y * row_size, whole ? 1 : p.kernel_width, p.rate_x * p.in,
                         whole ? p.kernel_width * p.in : p.in};
  const int64_t depth = p.kernel_height * p.kernel_width * p.in, step = p.stride_x * p.in;
  for (int64_t out = 0; out < p.out; out += 2 * lanes) {
    const bool pair = out + 2 * lanes <= p.out;
    for (int64_t row = first; row < last; ++row) {
      const float* from = inputs + (row - first) * p.stride_y * row_size;
      float* to = y + ((example * p.rows + row) * p.columns) * p.out + out;
      evenly(p.columns, tall, [&](int64_t column, int64_t height) {
        tile_of<OutputsOf>(height, pair)(from + column * step, w + out * depth, kernel, step, to + column * p.out,
                                         p.out);
      });
    }
  }
}

void convolve(const Plane& p, int64_t batch, const float* x, const float* w, float* y, bool gradient,
              ffi::ThreadPool& pool) {
  constexpr int64_t cache = 192 * 1024;
  const Lent weights(p.kernel_height * p.kernel_width * p.in * p.out * sizeof(float));
  pack(w, p, gradient, weights.floats());
  const int64_t row_bytes = p.span() * p.in * p.stride_y * sizeof(float);
  const int64_t rows = std::clamp<int64_t>(cache / row_bytes, 1, p.rows), fewest = (p.rows + rows - 1) / rows;
  const int64_t bands = std::max(fewest, bands_of(pool, batch, p.rows));
  in_parts(pool, batch * bands, [&](int64_t part) {
    const int64_t example = part / bands, number = part % bands;
    band(p, x, weights.floats(), example, begin_of(number, bands, p.rows), begin_of(number + 1, bands, p.rows), y);
  });
}

ffi::Error refused() {
  return ffi::Error::InvalidArgument("takes one or two dimensions, one group, results in whole vectors");
}

ffi::Error forward(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> x, ffi::Buffer<ffi::F32> w,
                   ffi::ResultBuffer<ffi::F32> y, Ints stride, Ints rate, Ints before, Ints after, int64_t groups) try {
  const Geometry g = Geometry::of(x.dimensions(), w.dimensions(), y->dimensions(), stride, rate, before, after, groups);
  if (g.groups != 1 || g.kernel.size() > 2 || g.out % lanes != 0) return refused();
  convolve(Plane(g), g.batch, x.typed_data(), w.typed_data(), y->typed_data(), false, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error input_gradient(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> y, ffi::Buffer<ffi::F32> w,
                          ffi::ResultBuffer<ffi::F32> x, Ints stride, Ints rate, Ints before, Ints after,
                          int64_t groups) try {
  const Geometry g = Geometry::of(x->dimensions(), w.dimensions(), y.dimensions(), stride, rate, before, after, groups);
  const bool unit = std::all_of(stride.begin(), stride.end(), [](int64_t s) { return s == 1; });
  if (g.groups != 1 || g.kernel.size() > 2 || g.in % lanes != 0 || !unit) return refused();
  convolve(Plane(g.turned()), g.batch, y.typed_data(), w.typed_data(), x->typed_data(), true, pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

SLIMTRAIN_CONVOLUTION(slimtrain_direct_forward, forward);
SLIMTRAIN_CONVOLUTION(slimtrain_direct_input_gradient, input_gradient);

}  // namespace slimtrain::direct
