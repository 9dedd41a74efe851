// Draws of yes or no, as jax.random.bernoulli draws them: the bits of number i are threefry of (key, i), in 20 rounds.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.

#include "parts.h"

namespace slimtrain::draws {
namespace {

namespace ffi = xla::ffi;

constexpr int64_t share = 4096;  // draws below which a second thread gains nothing

inline uint32_t turned(uint32_t bits, int by) { return bits << by | bits >> (32 - by); }

inline uint32_t threefry(const uint32_t* keys, uint32_t high, uint32_t low) {
  constexpr int turns[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  uint32_t a = high + keys[0], b = low + keys[1];
  for (int round = 0; round < 5; ++round) {
    for (int turn : turns[round % 2]) a += b, b = turned(b, turn) ^ a;
    a += keys[(round + 1) % 3], b += keys[(round + 2) % 3] + round + 1;
  }
  return a ^ b;
}

ffi::Error draw(ffi::ThreadPool pool, ffi::Buffer<ffi::U32> key, ffi::ResultBuffer<ffi::PRED> drawn,
                float probability) try {
  const uint32_t* given = key.typed_data();
  const uint32_t keys[3] = {given[0], given[1], given[0] ^ given[1] ^ 0x1BD11BDA};
  const float limit = probability * (1 << 23);  // of the 23 bits that make a float's digits
  bool* yes = drawn->typed_data();
  in_pieces(pool, {static_cast<int64_t>(drawn->element_count())}, share, [&](size_t, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const uint32_t bits = threefry(keys, static_cast<uint64_t>(i) >> 32, static_cast<uint32_t>(i));
      yes[i] = static_cast<float>(static_cast<int32_t>(bits >> 9)) < limit;
    }
  });
  return ffi::Error::Success();
} catch (const std::exception& error) {
  return ffi::Error::Internal(error.what());
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(slimtrain_bernoulli, draw,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<ffi::Buffer<ffi::U32>>()
                                  .Ret<ffi::Buffer<ffi::PRED>>()
                                  .Attr<float>("probability"));

}  // namespace slimtrain::draws
