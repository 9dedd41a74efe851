// Vectors as wide as the machine's registers, by the compiler's own extension: the same source for every CPU.
#pragma once

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

namespace slimtrain {

#if defined(__AVX512F__)
constexpr int lanes = 16, tall = 12;
#elif defined(__AVX__)
constexpr int lanes = 8, tall = 6;
#else
constexpr int lanes = 4, tall = 6;
#endif
// `tall` rows of two vectors each, two vectors to multiply and one number fill the registers.

typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

inline Vector load(const float* from) {
  Vector value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

inline float root(float value) { return std::sqrt(value); }

inline Vector root(Vector value) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vector>(_mm512_sqrt_ps(reinterpret_cast<__m512>(value)));
#elif defined(__AVX__)
  return reinterpret_cast<Vector>(_mm256_sqrt_ps(reinterpret_cast<__m256>(value)));
#else
  for (int lane = 0; lane < lanes; ++lane) value[lane] = std::sqrt(value[lane]);
  return value;
#endif
}

// Tile<height, 2>::run where `pair`, else Tile<height, 1>::run; `height` is 1 to `tall`.
template <template <int, int> class Tile, int... Less>
auto tile_among(int64_t height, bool pair, std::integer_sequence<int, Less...>) {
  static constexpr decltype(&Tile<1, 1>::run) single[] = {Tile<Less + 1, 1>::run...};
  static constexpr decltype(&Tile<1, 1>::run) paired[] = {Tile<Less + 1, 2>::run...};
  return (pair ? paired : single)[height - 1];
}

template <template <int, int> class Tile>
auto tile_of(int64_t height, bool pair) {
  return tile_among<Tile>(height, pair, std::make_integer_sequence<int, tall>());
}

inline void store(float* to, Vector value) { std::memcpy(to, &value, sizeof(value)); }

}  // namespace slimtrain
