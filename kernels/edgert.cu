// Every kernel, as one piece: what compile.py gives to the compiler.
#include "cosine.cu"
#include "joints.cu"
#include "select.cu"
#include "suppress.cu"
#include "warp.cu"
