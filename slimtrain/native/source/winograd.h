// What Winograd's convolutions F(4x4, 3x3) and F(2x2, 5x5) share, after Lavin and Gray (2016),
// https://arxiv.org/abs/1509.09308.
//
// Outputs are cut into tiles of 4x4 or 2x2, which read 6x6 inputs each. Inputs and weights are transformed to 36
// planes; in each stands one product of matrices over many tiles, and the tiles of outputs are transformed back: 36
// products a tile where the definition has 144 or 100.
#pragma once

#include <algorithm>
#include <utility>

#include "geometry.h"
#include "parts.h"
#include "plane.h"
#include "register_tiles.h"

namespace slimtrain::winograd {

constexpr int side = 6, planes = side * side;

// Outputs of a tile along an axis.
constexpr int tile_of_kernel(int kernel) { return side + 1 - kernel; }

// Polynomials of inputs and of weights are multiplied at six points: 0, p and -p for two p, and infinity. How much is
// lost to rounding depends on them (Barabasz et al., 2018, https://arxiv.org/abs/1803.10986): with these, in float32,
// up to twice what the definition loses, a quarter of what 1 and 2 would.
//
// How coefficients count at p, before their signs: powers of p; for weights divided by a product of p's distances.
using Factors = float[2][5];
inline constexpr Factors powers = {{1.0f, 2.0f / 3.0f, 4.0f / 9.0f, 8.0f / 27.0f, 16.0f / 81.0f},
                                   {1.0f, 1.5f, 2.25f, 3.375f, 5.0625f}};
constexpr float square(int pair) { return powers[pair][2]; }
constexpr float distant(int pair, int exponent) {
  return powers[pair][exponent] / (2.0f * square(pair) * (square(pair) - square(1 - pair)));
}
inline constexpr Factors weighed = {
    {distant(0, 0), distant(0, 1), distant(0, 2), distant(0, 3), distant(0, 4)},
    {distant(1, 0), distant(1, 1), distant(1, 2), distant(1, 3), distant(1, 4)}};

// A polynomial's values at the six points: G g, or A y where they count as powers only. get(i) gives its coefficients,
// put(i, value) takes the values.
template <int Count, const Factors& factors, typename Get, typename Put>
void to_points(const Get& get, const Put& put) {
  put(0, get(0)), put(side - 1, get(Count - 1));
#pragma GCC unroll 2
  for (int pair = 0; pair < 2; ++pair) {
    Vector even = factors[pair][0] * get(0), odd = factors[pair][1] * get(1);
#pragma GCC unroll 2
    for (int i = 2; i < Count; i += 2) {
      even += factors[pair][i] * get(i);
      if (i + 1 < Count) odd += factors[pair][i + 1] * get(i + 1);
    }
    put(2 * pair + 1, even + odd), put(2 * pair + 2, even - odd);
  }
}

// The transpose of that: G^T s, or A^T m.
template <int Count, const Factors& factors, typename Get, typename Put>
void from_points(const Get& get, const Put& put) {
  Vector sums[2], differences[2];
#pragma GCC unroll 2
  for (int pair = 0; pair < 2; ++pair) {
    const Vector plus = get(2 * pair + 1), minus = get(2 * pair + 2);
    sums[pair] = plus + minus, differences[pair] = plus - minus;
  }
#pragma GCC unroll 5
  for (int i = 0; i < Count; ++i) {
    const Vector* of = i % 2 ? differences : sums;
    Vector total = factors[0][i] * of[0] + factors[1][i] * of[1];
    if (i == 0) total += get(0);
    if (i == Count - 1) total += get(side - 1);
    put(i, total);
  }
}

// Whether a convolution is one of these.
inline bool taken(const Geometry& g) {
  const auto all = [](const Sizes& sizes, int64_t size) {
    return sizes.size() == 2 && std::all_of(sizes.begin(), sizes.end(), [=](int64_t s) { return s == size; });
  };
  const bool whole = g.in % lanes == 0 && g.out % lanes == 0;
  return whole && g.groups == 1 && (all(g.kernel, 3) || all(g.kernel, 5)) && all(g.stride, 1) && all(g.rate, 1);
}

inline xla::ffi::Error refused() {
  return xla::ffi::Error::InvalidArgument("takes 3x3 and 5x5 kernels, a stride of 1, one group, whole vectors");
}

constexpr int64_t at_once = 24;  // tiles whose transforms stay in the cache of a core; a multiple of `tall`

// Numbers from tile to tile and from plane to plane: steps of a page would put all in the same lines of the cache.
constexpr int64_t tile_step(int64_t channels) { return channels < 64 ? channels : channels + 16; }
constexpr int64_t plane_step(int64_t tiles, int64_t channels) { return tiles * tile_step(channels) + 16; }

// Tiles that are worked on at once where all threads share their transforms: what their cache holds.
constexpr int64_t shared_tiles(int64_t channels) {
  return std::max<int64_t>(tall, (8 << 20) / (planes * tile_step(channels) * sizeof(float)));
}

enum Buffer { own_weights, own_inputs, own_outputs, edge };

inline float* floats(Buffer which, int64_t count) { return static_cast<float*>(kept(which, count * sizeof(float))); }

struct Tiles {
  int64_t size, down, across, total;  // size: of one, along each axis

  Tiles(const Plane& p, int64_t batch)
      : size(tile_of_kernel(static_cast<int>(p.kernel_height))),
        down((p.rows + size - 1) / size),
        across((p.columns + size - 1) / size),
        total(batch * down * across) {}
};

struct Run {  // tiles side by side: where the first one's outputs are, and how many
  int64_t example, row, column, tiles;
};

// Calls work(run, the number of its first tile) for all tiles [first, last).
template <typename Work>
void in_runs(const Tiles& tiles, int64_t first, int64_t last, const Work& work) {
  while (first < last) {
    const int64_t line = first / tiles.across, at = first % tiles.across;
    const int64_t count = std::min(tiles.across - at, last - first);
    work(Run{line / tiles.down, tiles.size * (line % tiles.down), tiles.size * at, count}, first);
    first += count;
  }
}

struct Strip {  // of outputs' channels: two vectors, or the last one
  int64_t first, width;

  static int64_t count(int64_t channels) { return (channels + 2 * lanes - 1) / (2 * lanes); }
  static Strip of(int64_t number, int64_t channels) {
    return {2 * lanes * number, std::min<int64_t>(2 * lanes, channels - 2 * lanes * number)};
  }
  bool pair() const { return width == 2 * lanes; }
};

// B^T d B of the inputs that tiles [first, last) read, [planes][tiles][channels].
void transform_inputs(const Plane& p, const Tiles& tiles, const float* x, int64_t first, int64_t last, float* to,
                      int64_t plane);

}  // namespace slimtrain::winograd
