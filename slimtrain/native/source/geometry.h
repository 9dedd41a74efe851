// What a convolution is, as its buffers and attributes say: channels last, the kernel [*size, in / groups, out].
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace slimtrain {

using Sizes = std::vector<int64_t>;
using Ints = xla::ffi::Span<const int64_t>;

struct Geometry {
  int64_t batch, in, out, groups;
  Sizes inputs, outputs, kernel;        // over space
  Sizes stride, rate, before, after;    // over space

  static Geometry of(Ints x, Ints w, Ints y, Ints stride, Ints rate, Ints before, Ints after, int64_t groups) {
    auto all = [](Ints s) { return Sizes(s.begin(), s.end()); };
    auto space = [](Ints s) { return Sizes(s.begin() + 1, s.end() - 1); };
    return {x.front(), x.back(), y.back(), groups, space(x), space(y), Sizes(w.begin(), w.end() - 2),
            all(stride), all(rate), all(before), all(after)};
  }

  static int64_t product(const Sizes& sizes) {
    int64_t total = 1;
    for (int64_t size : sizes) total *= size;
    return total;
  }

  int64_t input_size() const { return product(inputs) * in; }      // of one example
  int64_t output_size() const { return product(outputs) * out; }   // of one example
  int64_t weights_size() const { return product(kernel) * (in / groups) * out; }

  // How many inputs along an axis the kernel spans.
  int64_t reach(size_t axis) const { return (kernel[axis] - 1) * rate[axis] + 1; }

  // The convolution that the gradient by the inputs is where the stride is 1: of the outputs' gradient, by the kernel
  // turned round, padded so that each input meets all of it.
  Geometry turned() const {
    Geometry result = *this;
    std::swap(result.in, result.out), std::swap(result.inputs, result.outputs);
    for (size_t axis = 0; axis < kernel.size(); ++axis) {
      result.before[axis] = reach(axis) - 1 - before[axis];
      result.after[axis] = reach(axis) - 1 - after[axis];
    }
    return result;
  }

  // The same for geometries that one primitive serves.
  std::string key() const {
    Sizes all = {batch, in, out, groups};
    for (const Sizes* sizes : {&inputs, &outputs, &kernel, &stride, &rate, &before, &after})
      all.insert(all.end(), sizes->begin(), sizes->end());
    return std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(int64_t));
  }
};

}  // namespace slimtrain

// The attributes of a handler for XLA that say how the kernel moves.
#define SLIMTRAIN_MOVES                \
  .Attr<slimtrain::Ints>("stride")     \
      .Attr<slimtrain::Ints>("rate")   \
      .Attr<slimtrain::Ints>("before") \
      .Attr<slimtrain::Ints>("after")  \
      .Attr<int64_t>("groups")

// A handler: two arrays in, one out, and how the kernel moves.
#define SLIMTRAIN_CONVOLUTION(name, function)                                         \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, function,                                       \
                                xla::ffi::Ffi::Bind()                                 \
                                    .Ctx<xla::ffi::ThreadPool>()                      \
                                    .Arg<xla::ffi::Buffer<xla::ffi::F32>>()           \
                                    .Arg<xla::ffi::Buffer<xla::ffi::F32>>()           \
                                    .Ret<xla::ffi::Buffer<xla::ffi::F32>>() SLIMTRAIN_MOVES)

// The same with biases, and bounds that the sums are held between.
#define SLIMTRAIN_CONVOLUTION_ENDED(name, function)                                   \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, function,                                       \
                                xla::ffi::Ffi::Bind()                                 \
                                    .Ctx<xla::ffi::ThreadPool>()                      \
                                    .Arg<xla::ffi::Buffer<xla::ffi::F32>>()           \
                                    .Arg<xla::ffi::Buffer<xla::ffi::F32>>()           \
                                    .Arg<xla::ffi::Buffer<xla::ffi::F32>>()           \
                                    .Ret<xla::ffi::Buffer<xla::ffi::F32>>() SLIMTRAIN_MOVES \
                                    .Attr<float>("low")                               \
                                    .Attr<float>("high"))
