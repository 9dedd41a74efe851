#include "vectors.h"

// Floats in a vector of the CPU that this was compiled for.
extern "C" int slimtrain_lanes() { return slimtrain::lanes; }
