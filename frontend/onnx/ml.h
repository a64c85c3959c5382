/* What the ops of ai.onnx.ml share on their way into the IR (private). */
#ifndef ADZE_ONNX_ML_H
#define ADZE_ONNX_ML_H

#include "compose.h"

/* ---- Attributes that are lists (list.c) ---- */

/* The attribute `name`, ints, floats, strings or a tensor, as a constant of rank 1 (i64, f32, str, the tensor's type);
 * *out NULL if it is absent. False after an error. */
bool adze_onnx_attr_list(adze_onnx_node *node, const char *name, term **out);
/* The first of the names that is there; *out NULL if none is, and an error if two are. `names` ends in NULL. The
 * constant is called `what`, so that versions whose attributes differ read alike; NULL: by its attribute. */
bool adze_onnx_attr_list_of(adze_onnx_node *node, const char *const *names, const char *what, term **out);
/* Floats as they lie in the node; *out NULL and 0 if absent. */
bool adze_onnx_attr_floats(adze_onnx_node *node, const char *name, const float **out, size_t *out_count);
/* A constant of rank 1 with one string. */
term *adze_onnx_text(adze_onnx_node *node, const char *text);
/* The same of the attribute `name`, whose bytes may be zero as those of any string element, called `what`; `rest` where
 * it is absent. NULL after an error. */
term *adze_onnx_attr_text(adze_onnx_node *node, const char *name, const char *what, const char *rest);
int64_t compose_count(const term *list); /* elements of a constant; 0 of NULL */
term *compose_one_row(adze_onnx_node *node, term *list); /* a constant that nobody reads yet as [1, n] */
/* A constant of rank 1 or 2 (`columns` > 0) of f32, named after what it is. */
term *compose_floats(adze_onnx_node *node, const float *values, int64_t count, int64_t columns);
/* 0 … count - 1 as a constant called `what`. */
term *compose_count_up(adze_onnx_node *node, const char *what, int64_t count);

/* ---- Scores and labels (upgrade_linear.c) ---- */

/* Operand `index` as [rows, columns] of `dtype`; one of rank 1 is a row. NULL after an error. */
term *ml_rows(adze_onnx_node *node, uint32_t index, adze_dtype dtype);
/* Reads `post_transform`; an unknown one is an error. */
bool ml_read_transform(adze_onnx_node *node, const char **out);
/* The transform over the last axis. */
term *ml_transform(adze_onnx_node *node, const char *transform, term *scores);
/* What the scores of two classes are where there is one score s: [1 - s, s] or [-s, s], but [p(-s), p(s)] with p the
 * logistic function where the transform is that and `logistic` is set. */
term *ml_second_class(adze_onnx_node *node, const char *transform, term *score, bool complement, bool logistic);
/* The labels at the indices [rows]. */
term *ml_labels(adze_onnx_node *node, term *labels, term *index);
term *ml_best(adze_onnx_node *node, term *scores); /* index of the largest in each row */
term *ml_above(adze_onnx_node *node, term *score, double threshold); /* is the one score of a row above: 0 or 1 */
/* The class labels by their two attributes, of which one must be there. */
bool ml_read_labels(adze_onnx_node *node, const char *ints, term **out);

/* ---- Forms, a row each in upgrade_domains.c ---- */

bool adze_onnx_ml_array_feature_extractor(adze_onnx_node *node);
bool adze_onnx_ml_binarizer(adze_onnx_node *node);
bool adze_onnx_ml_cast_map(adze_onnx_node *node);
bool adze_onnx_ml_category_mapper(adze_onnx_node *node);
bool adze_onnx_ml_dict_vectorizer(adze_onnx_node *node);
bool adze_onnx_ml_feature_vectorizer(adze_onnx_node *node);
bool adze_onnx_ml_imputer(adze_onnx_node *node);
bool adze_onnx_ml_label_encoder(adze_onnx_node *node);
bool adze_onnx_ml_linear_classifier(adze_onnx_node *node);
bool adze_onnx_ml_linear_regressor(adze_onnx_node *node);
bool adze_onnx_ml_normalizer(adze_onnx_node *node);
bool adze_onnx_ml_one_hot_encoder(adze_onnx_node *node);
bool adze_onnx_ml_scaler(adze_onnx_node *node);
bool adze_onnx_ml_svm_classifier(adze_onnx_node *node);
bool adze_onnx_ml_svm_regressor(adze_onnx_node *node);
bool adze_onnx_ml_tree_classifier(adze_onnx_node *node);
bool adze_onnx_ml_tree_ensemble(adze_onnx_node *node);
bool adze_onnx_ml_tree_regressor(adze_onnx_node *node);
bool adze_onnx_ml_zip_map(adze_onnx_node *node);
bool adze_onnx_training_adagrad(adze_onnx_node *node);
bool adze_onnx_training_adam(adze_onnx_node *node);
bool adze_onnx_training_gradient(adze_onnx_node *node);
bool adze_onnx_training_momentum(adze_onnx_node *node);
bool adze_onnx_flex_attention(adze_onnx_node *node);

#endif
