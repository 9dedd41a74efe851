// Vectors as wide as the machine's registers, by the compiler's own extension: the same source for every CPU.
#pragma once

#if defined(__AVX__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

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

inline void store(float* to, Vector value) { std::memcpy(to, &value, sizeof(value)); }

}  // namespace slimtrain
