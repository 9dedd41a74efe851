// What Winograd's convolutions F(2x2, 3x3) and F(2x2, 5x5) share, after Lavin and Gray (2016),
// https://arxiv.org/abs/1509.09308.
//
// Outputs are cut into tiles of 2x2, which read 4x4 or 6x6 inputs each. Inputs and weights are transformed to as many
// planes; in each stands one product of matrices over many tiles, and tiles of outputs are transformed back: 16
// products a tile where the definition has 36, or 36 where it has 100.
#pragma once

#include <algorithm>
#include <utility>

#include "geometry.h"
#include "parts.h"
#include "plane.h"
#include "vectors.h"

namespace slimtrain::winograd {

// The points that polynomials of inputs and weights are multiplied at: 0, pairs of p and -p, and infinity. Those of 5x5
// are among the ones that round least: as little as the convolution itself does, in float32.
template <int Kernel>
struct Points {
  static constexpr int pairs = (Kernel - 1) / 2, count = Kernel + 1, planes = count * count;
  static constexpr float at(int pair) { return pairs == 1 ? 1.0f : pair == 0 ? 0.75f : 4.0f / 3.0f; }
  static constexpr float square(int pair) { return at(pair) * at(pair); }
  static constexpr float other(int pair) { return square(1 - pair); }  // of 5x5

  // B^T d at one end and the other: 0 and infinity.
  template <typename Get>
  static Vector input_end(const Get& d, int end) {
    if constexpr (pairs == 1) return end ? d(3) - d(1) : d(0) - d(2);
    else return d(end) - (square(0) + square(1)) * d(end + 2) + d(end + 4);
  }

  // B^T d at a pair: the even part, and the odd one; their sum belongs to p, their difference to -p.
  template <typename Get>
  static std::pair<Vector, Vector> input_pair(const Get& d, int pair) {
    if constexpr (pairs == 1) return {d(2), d(1)};
    else return {d(4) - other(pair) * d(2), at(pair) * (d(3) - other(pair) * d(1))};
  }

  // G g at a pair, and what one weight counts there: G is B^T's and A^T's third.
  static constexpr float scale(int pair) {
    return 0.5f / square(pair) / (pairs == 1 ? 1.0f : square(pair) - other(pair));
  }
  static constexpr float power(int pair, int tap) { return tap ? at(pair) * power(pair, tap - 1) : 1.0f; }
  static constexpr float weight(int pair, int tap) { return scale(pair) * power(pair, tap); }
};

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

constexpr int64_t at_once = 48;  // tiles whose transforms stay in the cache of a core; a multiple of `tall`

// Numbers from tile to tile and from plane to plane: steps of a page would put all in the same lines of the cache.
constexpr int64_t tile_step(int64_t channels) { return channels < 64 ? channels : channels + 16; }
constexpr int64_t plane_step(int64_t tiles, int64_t channels) { return tiles * tile_step(channels) + 16; }

// Tiles that are worked on at once where all threads share their transforms: what their cache holds.
constexpr int64_t shared_tiles(int64_t planes, int64_t channels) {
  return std::max<int64_t>(tall, (8 << 20) / (planes * tile_step(channels) * sizeof(float)));
}

enum Buffer { own_weights, own_inputs, own_outputs, edge };

inline float* floats(Buffer which, int64_t count) { return static_cast<float*>(kept(which, count * sizeof(float))); }

struct Tiles {
  int64_t down, across, total;

  Tiles(const Plane& p, int64_t batch)
      : down((p.rows + 1) / 2), across((p.columns + 1) / 2), total(batch * down * across) {}
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
    work(Run{line / tiles.down, 2 * (line % tiles.down), 2 * at, count}, first);
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
template <int Kernel>
void transform_inputs(const Plane& p, const Tiles& tiles, const float* x, int64_t first, int64_t last, float* to,
                      int64_t plane);

}  // namespace slimtrain::winograd
