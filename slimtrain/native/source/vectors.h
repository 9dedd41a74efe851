// Vectors as wide as the machine's registers, by the compiler's own extension: the same source for every CPU.
#pragma once

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

inline void store(float* to, Vector value) { std::memcpy(to, &value, sizeof(value)); }

}  // namespace slimtrain
