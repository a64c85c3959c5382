/* What is built in beside passes: lists for builtin.c, all NULL-ended. */
#ifndef ADZE_BUILTIN_H
#define ADZE_BUILTIN_H

#include <adze/metric.h>

/* metrics.c, metric_boxes.c */
extern const adze_metric *const adze_builtin_metrics[];
extern const adze_metric adze_metric_ap50;
/* sensitivity.c */
extern const adze_sensitivity *const adze_builtin_sensitivities[];

#endif
