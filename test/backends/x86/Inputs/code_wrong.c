/* Code for demo_swish and demo_tilt that cannot be used, each macro for another reason. SHADOW is fine. */
#if defined DECLARED || defined HIDDEN || defined OTHER
#define eval_demo_swish eval_demo_right
#endif
#include "code_eval.c"
#undef eval_demo_swish

#ifdef DECLARED
int eval_demo_swish(void);
int (*const kept)(void) = eval_demo_swish;
#elif defined HIDDEN
static __attribute__((used)) int eval_demo_swish(void) { return 0; }
#elif defined OTHER
float eval_demo_swish(float x) { return x; }
#elif defined LEAVE
static volatile int left;
__attribute__((destructor)) static void leave(void) { left = 1; }
#elif defined COMMON
float shared[100];
#elif defined TABLE
float table[] = {1, 2, 3};
float look_up(unsigned i) { return table[i]; }
#elif defined SHADOW
typedef float lanes __attribute__((vector_size(64)));
lanes adze_body_tanh_f32x16(lanes x) { return x + 100; }
#endif
