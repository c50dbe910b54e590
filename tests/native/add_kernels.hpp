// The test kernels as PTX, which a true device compiles and the fake takes for any image.
// add(const int* from, int* to, int value, int count): to[i] = from[i] + value; slow_add: the same,
// 30 ms later.
#pragma once

namespace edgert::cuda {

inline constexpr char kAddKernels[] = R"(
.version 7.0
.target sm_75
.address_size 64

.func add_one_element(.param .u64 from, .param .u64 to, .param .u32 value, .param .u32 count)
{
  .reg .pred %p;
  .reg .b32 %r<8>;
  .reg .b64 %d<5>;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  ld.param.u32 %r5, [count];
  setp.ge.s32 %p, %r4, %r5;
  @%p ret;
  ld.param.u64 %d1, [from];
  ld.param.u64 %d2, [to];
  ld.param.u32 %r6, [value];
  mul.wide.s32 %d3, %r4, 4;
  add.s64 %d1, %d1, %d3;
  add.s64 %d2, %d2, %d3;
  ld.u32 %r7, [%d1];
  add.s32 %r7, %r7, %r6;
  st.u32 [%d2], %r7;
  ret;
}

.visible .entry add(.param .u64 from, .param .u64 to, .param .u32 value, .param .u32 count)
{
  .reg .b32 %r<3>;
  .reg .b64 %d<3>;
  ld.param.u64 %d1, [from];
  ld.param.u64 %d2, [to];
  ld.param.u32 %r1, [value];
  ld.param.u32 %r2, [count];
  {
    .param .u64 a;
    .param .u64 b;
    .param .u32 c;
    .param .u32 d;
    st.param.u64 [a], %d1;
    st.param.u64 [b], %d2;
    st.param.u32 [c], %r1;
    st.param.u32 [d], %r2;
    call add_one_element, (a, b, c, d);
  }
  ret;
}

.visible .entry slow_add(.param .u64 from, .param .u64 to, .param .u32 value, .param .u32 count)
{
  .reg .pred %p;
  .reg .b32 %r<3>;
  .reg .b64 %d<5>;
  mov.u64 %d3, %globaltimer;
  add.s64 %d3, %d3, 30500000;
wait:
  mov.u64 %d4, %globaltimer;
  setp.lt.u64 %p, %d4, %d3;
  @%p bra wait;
  ld.param.u64 %d1, [from];
  ld.param.u64 %d2, [to];
  ld.param.u32 %r1, [value];
  ld.param.u32 %r2, [count];
  {
    .param .u64 a;
    .param .u64 b;
    .param .u32 c;
    .param .u32 d;
    st.param.u64 [a], %d1;
    st.param.u64 [b], %d2;
    st.param.u32 [c], %r1;
    st.param.u32 [d], %r2;
    call add_one_element, (a, b, c, d);
  }
  ret;
}
)";

}  // namespace edgert::cuda
