/* What the processor can do at best, for the column "of peak" of adze bench. */
#ifndef ADZE_PEAK_H
#define ADZE_PEAK_H

/* GFLOP/s of one core in f32 multiply-adds without memory traffic, measured for about 20 ms with the widest
 * vectors of a CPU level ("x86-64-v4", …); 0 where that level cannot be measured here. */
double adze_peak_gflops(const char *level);

#endif
