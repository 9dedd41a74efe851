// Max pooling and its gradient. Of equal values the first has all of the gradient, as in TensorFlow.

#include "geometry.h"
#include "parts.h"
#include "vectors.h"

namespace slimtrain::max_pool {
namespace {

namespace ffi = xla::ffi;
using Values = ffi::Buffer<ffi::F32>;

struct Box {  // three dimensions of space; the first of fewer are 1
  int64_t depth, height, width;

  static Box of(const Sizes& sizes, int64_t missing) {
    Sizes all(3 - sizes.size(), missing);
    all.insert(all.end(), sizes.begin(), sizes.end());
    return {all[0], all[1], all[2]};
  }
};

struct Pool {
  int64_t batch, channels;
  Box inputs, outputs, size, stride, before;

  Pool(Ints x, Ints y, Ints size, Ints stride, Ints before)
      : batch(x.front()),
        channels(x.back()),
        inputs(Box::of(Sizes(x.begin() + 1, x.end() - 1), 1)),
        outputs(Box::of(Sizes(y.begin() + 1, y.end() - 1), 1)),
        size(Box::of(Sizes(size.begin(), size.end()), 1)),
        stride(Box::of(Sizes(stride.begin(), stride.end()), 1)),
        before(Box::of(Sizes(before.begin(), before.end()), 0)) {}

  int64_t input_size() const { return inputs.depth * inputs.height * inputs.width * channels; }
  int64_t output_size() const { return outputs.depth * outputs.height * outputs.width * channels; }

  // Calls each(offset of the output, its window) for all outputs of an example.
  template <typename Each>
  void windows(const Each& each) const {
    int64_t output = 0;
    for (int64_t d = 0; d < outputs.depth; ++d)
      for (int64_t h = 0; h < outputs.height; ++h)
        for (int64_t w = 0; w < outputs.width; ++w, output += channels) {
          const Box low = {d * stride.depth - before.depth, h * stride.height - before.height,
                           w * stride.width - before.width};
          each(output, low);
        }
  }

  // Calls each(offset of the input) for the inputs of a window that are there, in order.
  template <typename Each>
  void taps(const Box& low, const Each& each) const {
    const auto from = [](int64_t low) { return std::max<int64_t>(low, 0); };
    for (int64_t d = from(low.depth); d < std::min(low.depth + size.depth, inputs.depth); ++d)
      for (int64_t h = from(low.height); h < std::min(low.height + size.height, inputs.height); ++h)
        for (int64_t w = from(low.width); w < std::min(low.width + size.width, inputs.width); ++w)
          each(((d * inputs.height + h) * inputs.width + w) * channels);
  }

  // A number that is none (NaN) is larger than any.
  void forward(const float* x, float* y) const {
    windows([&](int64_t output, const Box& low) {
      float* __restrict best = y + output;
      bool first = true;
      taps(low, [&](int64_t input) {
        const float* __restrict value = x + input;
        if (first) {
          std::copy(value, value + channels, best);
          first = false;
          return;
        }
        for (int64_t c = 0; c < channels; ++c)
          best[c] = (value[c] > best[c]) | (value[c] != value[c]) ? value[c] : best[c];
      });
    });
  }

  void gradient(const float* x, const float* y, const float* dy, float* dx) const {
    std::fill(dx, dx + input_size(), 0.0f);
    float* __restrict left = static_cast<float*>(kept(0, channels * sizeof(float)));  // not yet given to an input
    windows([&](int64_t output, const Box& low) {
      std::copy(dy + output, dy + output + channels, left);
      const float* __restrict best = y + output;
      taps(low, [&](int64_t input) {
        const float* __restrict value = x + input;
        float* __restrict target = dx + input;
        int64_t c = 0;
        for (; c + lanes <= channels; c += lanes) {
          const Vector v = load(value + c), b = load(best + c), rest = load(left + c);
          const auto hit = (v == b) | ((v != v) & (b != b));
          store(target + c, load(target + c) + (hit ? rest : Vector{}));
          store(left + c, hit ? Vector{} : rest);
        }
        for (; c < channels; ++c)
          if (value[c] == best[c] || (value[c] != value[c] && best[c] != best[c])) {
            target[c] += left[c];
            left[c] = 0.0f;
          }
      });
    });
  }
};

ffi::Error forward(ffi::ThreadPool pool, Values x, ffi::Result<Values> y, Ints size, Ints stride, Ints before) try {
  const Pool p(x.dimensions(), y->dimensions(), size, stride, before);
  in_parts(pool, p.batch, [&](int64_t example) {
    p.forward(x.typed_data() + example * p.input_size(), y->typed_data() + example * p.output_size());
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

ffi::Error gradient(ffi::ThreadPool pool, Values x, Values y, Values dy, ffi::Result<Values> dx, Ints size,
                    Ints stride, Ints before) try {
  const Pool p(x.dimensions(), y.dimensions(), size, stride, before);
  in_parts(pool, p.batch, [&](int64_t example) {
    const int64_t in = example * p.input_size(), out = example * p.output_size();
    p.gradient(x.typed_data() + in, y.typed_data() + out, dy.typed_data() + out, dx->typed_data() + in);
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_max_pool, forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Ret<Values>()
                                  .Attr<Ints>("size")
                                  .Attr<Ints>("stride")
                                  .Attr<Ints>("before"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_max_pool_gradient, gradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Arg<Values>()
                                  .Ret<Values>()
                                  .Attr<Ints>("size")
                                  .Attr<Ints>("stride")
                                  .Attr<Ints>("before"));

}  // namespace slimtrain::max_pool
