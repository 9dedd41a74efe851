// Sums over all pixels of each channel, two at a time in one pass: what batch norm needs forward and backward.
//
// Floats are added up over a few hundred pixels, doubles over the rest. The pixels are always parted in the same way,
// so that the sums do not depend on the number of threads.

#include <vector>

#include "parts.h"

namespace slimtrain::channel_sums {
namespace {

namespace ffi = xla::ffi;
using Values = ffi::Buffer<ffi::F32>;

constexpr int64_t most_parts = 16, block = 256, together = 4;

// Adds to `ones` the sums of a, and to `twos` the sums of a * (b - shift).
struct Products {
  const float *a, *b, *shift;
  void operator()(int64_t pixel, int64_t channels, float* __restrict ones, float* __restrict twos) const {
    const float* __restrict u = a + pixel * channels;
    const float* __restrict v = b + pixel * channels;
    for (int64_t c = 0; c < channels; ++c) ones[c] += u[c], twos[c] += u[c] * (v[c] - shift[c]);
  }
  void four(int64_t pixel, int64_t channels, float* __restrict ones, float* __restrict twos) const {
    const float* __restrict u = a + pixel * channels;
    const float* __restrict v = b + pixel * channels;
    const int64_t n = channels;
    for (int64_t c = 0; c < n; ++c) {
      const float s = shift[c];
      ones[c] += (u[c] + u[c + n]) + (u[c + 2 * n] + u[c + 3 * n]);
      twos[c] += (u[c] * (v[c] - s) + u[c + n] * (v[c + n] - s)) +
                 (u[c + 2 * n] * (v[c + 2 * n] - s) + u[c + 3 * n] * (v[c + 3 * n] - s));
    }
  }
};

// Adds to `ones` the sums of a - shift, and to `twos` those of its square.
struct Powers {
  const float *a, *shift;
  void operator()(int64_t pixel, int64_t channels, float* __restrict ones, float* __restrict twos) const {
    const float* __restrict u = a + pixel * channels;
    for (int64_t c = 0; c < channels; ++c) {
      const float d = u[c] - shift[c];
      ones[c] += d, twos[c] += d * d;
    }
  }
  void four(int64_t pixel, int64_t channels, float* __restrict ones, float* __restrict twos) const {
    const float* __restrict u = a + pixel * channels;
    const int64_t n = channels;
    for (int64_t c = 0; c < n; ++c) {
      const float s = shift[c];
      const float d0 = u[c] - s, d1 = u[c + n] - s, d2 = u[c + 2 * n] - s, d3 = u[c + 3 * n] - s;
      ones[c] += (d0 + d1) + (d2 + d3);
      twos[c] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
};

template <typename Terms>
void sum_pixels(const Terms& terms, int64_t first, int64_t last, int64_t channels, double* sums) {
  std::vector<float> floats(2 * channels);
  std::fill(sums, sums + 2 * channels, 0.0);
  for (int64_t from = first; from < last; from += block) {
    std::fill(floats.begin(), floats.end(), 0.0f);
    const int64_t to = std::min(last, from + block);
    int64_t pixel = from;
    for (; pixel + together <= to; pixel += together) terms.four(pixel, channels, floats.data(), &floats[channels]);
    for (; pixel < to; ++pixel) terms(pixel, channels, floats.data(), &floats[channels]);
    for (int64_t i = 0; i < 2 * channels; ++i) sums[i] += floats[i];
  }
}

template <typename Terms>
void sum(const Terms& terms, int64_t size, int64_t channels, float* result, ffi::ThreadPool& pool) {
  const int64_t pixels = channels ? size / channels : 0;
  const int64_t parts = std::max<int64_t>(1, std::min(most_parts, pixels / block));
  std::vector<double> sums(parts * 2 * channels);
  in_parts(pool, parts, [&](int64_t part) {
    sum_pixels(terms, begin_of(part, parts, pixels), begin_of(part + 1, parts, pixels), channels,
               &sums[part * 2 * channels]);
  });
  for (int64_t i = 0; i < 2 * channels; ++i) {
    double total = 0.0;
    for (int64_t part = 0; part < parts; ++part) total += sums[part * 2 * channels + i];
    result[i] = static_cast<float>(total);
  }
}

ffi::Error powers(ffi::ThreadPool pool, Values a, Values shift, ffi::Result<Values> result) try {
  sum(Powers{a.typed_data(), shift.typed_data()}, a.element_count(), shift.element_count(), result->typed_data(), pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error products(ffi::ThreadPool pool, Values a, Values b, Values shift, ffi::Result<Values> result) try {
  sum(Products{a.typed_data(), b.typed_data(), shift.typed_data()}, a.element_count(), shift.element_count(),
      result->typed_data(), pool);
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_channel_powers, powers,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Ret<Values>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_channel_products, products,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Ret<Values>());

}  // namespace slimtrain::channel_sums
