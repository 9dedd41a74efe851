// Local response normalization over the channels of each pixel, x / (bias + alpha * sum of squares) ^ beta, and its
// gradient; beta is 2 or 3 quarters, which square roots make.
//
// Some pixels are taken together: what a step of them writes is in the cache when the next one reads it, not on the
// way.

#include <algorithm>

#include "parts.h"
#include "vectors.h"

namespace slimtrain::responses {
namespace {

namespace ffi = xla::ffi;
using Values = ffi::Buffer<ffi::F32>;

constexpr int64_t together = 8;  // pixels
constexpr int64_t share = 64;    // pixels below which a second thread gains nothing

struct Response {
  int64_t channels, radius;
  float bias, alpha;
  int64_t width() const { return (channels + lanes - 1) / lanes * lanes; }
  int64_t reach() const { return width() + 2 * radius; }  // with the neighbours that the first and the last have not
};

enum Buffer { squares, terms, powers };

template <int quarters>
Vector to_minus(Vector base) {
  return 1.0f / root(quarters == 3 ? base * root(base) : base);
}

// Zeros beyond the last channel, which are not stored.
inline Vector load_some(const float* from, int64_t count) {
  if (count >= lanes) return load(from);
  Vector value = {};
  std::memcpy(&value, from, count * sizeof(float));
  return value;
}

inline void store_some(float* to, Vector value, int64_t count) {
  std::memcpy(to, &value, std::min<int64_t>(count, lanes) * sizeof(float));
}

// The sum over the neighbours of each of a vector's channels.
inline Vector around(const float* row, int64_t radius) {
  Vector sum = load(row);
  for (int64_t j = 1; j <= 2 * radius; ++j) sum += load(row + j);
  return sum;
}

inline float* zeros(Buffer which, int64_t size) {
  float* found = static_cast<float*>(kept(which, size * sizeof(float)));
  std::fill(found, found + size, 0.0f);
  return found;
}

// Calls work(pixel, first channel, channels from there on) for the vectors of some pixels.
template <typename Work>
void each_vector(const Response& of, int64_t pixels, const Work& work) {
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t c = 0; c < of.channels; c += lanes) work(pixel, c, of.channels - c);
}

void square(const Response& of, const float* x, int64_t pixels, float* to) {
  each_vector(of, pixels, [&](int64_t pixel, int64_t c, int64_t left) {
    const Vector value = load_some(x + pixel * of.channels + c, left);
    store(to + pixel * of.reach() + of.radius + c, value * value);
  });
}

template <int quarters>
void normalize(const Response& of, const float* x, int64_t pixels, float* y) {
  float* squared = zeros(squares, together * of.reach());
  for (int64_t from = 0; from < pixels; from += together) {
    const int64_t count = std::min(together, pixels - from), at = from * of.channels;
    square(of, x + at, count, squared);
    each_vector(of, count, [&](int64_t pixel, int64_t c, int64_t left) {
      const int64_t place = at + pixel * of.channels + c;
      const Vector base = of.bias + of.alpha * around(squared + pixel * of.reach() + c, of.radius);
      store_some(y + place, load_some(x + place, left) * to_minus<quarters>(base), left);
    });
  }
}

// dx = dy * p - 2 alpha beta x * sum over neighbours of dy * x * p / base, where p = base ^ -beta.
template <int quarters>
void differentiate(const Response& of, const float* x, const float* dy, int64_t pixels, float* dx) {
  float* squared = zeros(squares, together * of.reach());
  float* term = zeros(terms, together * of.reach());
  float* power = zeros(powers, together * of.width());
  const float factor = 0.5f * quarters * of.alpha;
  for (int64_t from = 0; from < pixels; from += together) {
    const int64_t count = std::min(together, pixels - from), at = from * of.channels;
    square(of, x + at, count, squared);
    each_vector(of, count, [&](int64_t pixel, int64_t c, int64_t left) {
      const int64_t place = at + pixel * of.channels + c;
      const Vector base = of.bias + of.alpha * around(squared + pixel * of.reach() + c, of.radius);
      const Vector p = to_minus<quarters>(base);
      store(power + pixel * of.width() + c, p);
      store(term + pixel * of.reach() + of.radius + c,
            load_some(dy + place, left) * load_some(x + place, left) * p / base);
    });
    each_vector(of, count, [&](int64_t pixel, int64_t c, int64_t left) {
      const int64_t place = at + pixel * of.channels + c;
      const Vector sum = around(term + pixel * of.reach() + c, of.radius);
      store_some(dx + place,
                 load_some(dy + place, left) * load(power + pixel * of.width() + c) -
                     factor * load_some(x + place, left) * sum,
                 left);
    });
  }
}

// Calls work(first element, pixels) for parts of all pixels.
template <typename Work>
void by_pixels(ffi::ThreadPool& pool, const Response& of, const Values& x, const Work& work) {
  const int64_t pixels = of.channels ? static_cast<int64_t>(x.element_count()) / of.channels : 0;
  in_pieces(pool, {pixels}, share,
            [&](size_t, int64_t first, int64_t last) { work(first * of.channels, last - first); });
}

ffi::Error response(ffi::ThreadPool pool, Values x, ffi::Result<Values> y, int64_t radius, float bias, float alpha,
                    int64_t quarters) try {
  const Response of = {x.dimensions().back(), radius, bias, alpha};
  const auto run = quarters == 3 ? normalize<3> : normalize<2>;
  by_pixels(pool, of, x,
            [&](int64_t at, int64_t pixels) { run(of, x.typed_data() + at, pixels, y->typed_data() + at); });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error gradient(ffi::ThreadPool pool, Values x, Values dy, ffi::Result<Values> dx, int64_t radius, float bias,
                    float alpha, int64_t quarters) try {
  const Response of = {x.dimensions().back(), radius, bias, alpha};
  const auto run = quarters == 3 ? differentiate<3> : differentiate<2>;
  by_pixels(pool, of, x, [&](int64_t at, int64_t pixels) {
    run(of, x.typed_data() + at, dy.typed_data() + at, pixels, dx->typed_data() + at);
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_response, response,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Ret<Values>()
                                  .Attr<int64_t>("radius")
                                  .Attr<float>("bias")
                                  .Attr<float>("alpha")
                                  .Attr<int64_t>("quarters"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_response_gradient, gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Ret<Values>()
                                  .Attr<int64_t>("radius")
                                  .Attr<float>("bias")
                                  .Attr<float>("alpha")
                                  .Attr<int64_t>("quarters"));

}  // namespace slimtrain::responses
