/* Ops of ONNX's other domains. What an op's older versions say otherwise, its function tells by their attributes. */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

#define ML       "ai.onnx.ml"
#define PREVIEW  "ai.onnx.preview"
#define TRAINING "ai.onnx.preview.training"

#define TREE_NODES                                                                                                   \
    " nodes_falsenodeids nodes_featureids nodes_hitrates nodes_hitrates_as_tensor nodes_missing_value_tracks_true " \
    "nodes_modes nodes_nodeids nodes_treeids nodes_truenodeids nodes_values nodes_values_as_tensor base_values "    \
    "base_values_as_tensor post_transform "

typedef struct row {
    const char *domain;
    adze_onnx_upgrade upgrade;
} row;

static const row rows[] = {
    {ML, {"ArrayFeatureExtractor", NULL, adze_onnx_ml_array_feature_extractor}},
    {ML, {"Binarizer", " threshold ", adze_onnx_ml_binarizer}},
    {ML, {"CastMap", " cast_to map_form max_map ", adze_onnx_ml_cast_map}},
    {ML, {"CategoryMapper", " cats_int64s cats_strings default_int64 default_string ", adze_onnx_ml_category_mapper}},
    {ML, {"DictVectorizer", " int64_vocabulary string_vocabulary ", adze_onnx_ml_dict_vectorizer}},
    {ML, {"FeatureVectorizer", " inputdimensions ", adze_onnx_ml_feature_vectorizer}},
    {ML,
     {"Imputer", " imputed_value_floats imputed_value_int64s replaced_value_float replaced_value_int64 ",
      adze_onnx_ml_imputer}},
    {ML,
     {"LabelEncoder",
      " classes_strings default_float default_int64 default_string default_tensor keys_floats keys_int64s "
      "keys_strings keys_tensor values_floats values_int64s values_strings values_tensor ",
      adze_onnx_ml_label_encoder}},
    {ML,
     {"LinearClassifier", " classlabels_ints classlabels_strings coefficients intercepts multi_class post_transform ",
      adze_onnx_ml_linear_classifier}},
    {ML, {"LinearRegressor", " coefficients intercepts post_transform targets ", adze_onnx_ml_linear_regressor}},
    {ML, {"Normalizer", " norm ", adze_onnx_ml_normalizer}},
    {ML, {"OneHotEncoder", " cats_int64s cats_strings zeros ", adze_onnx_ml_one_hot_encoder}},
    {ML,
     {"SVMClassifier",
      " classlabels_ints classlabels_strings coefficients kernel_params kernel_type post_transform prob_a prob_b rho "
      "support_vectors vectors_per_class ",
      adze_onnx_ml_svm_classifier}},
    {ML,
     {"SVMRegressor",
      " coefficients kernel_params kernel_type n_supports one_class post_transform rho support_vectors ",
      adze_onnx_ml_svm_regressor}},
    {ML, {"Scaler", " offset scale ", adze_onnx_ml_scaler}},
    {ML,
     {"TreeEnsemble",
      " aggregate_function leaf_targetids leaf_weights membership_values n_targets nodes_falseleafs "
      "nodes_falsenodeids nodes_featureids nodes_hitrates nodes_missing_value_tracks_true nodes_modes nodes_splits "
      "nodes_trueleafs nodes_truenodeids post_transform tree_roots ",
      adze_onnx_ml_tree_ensemble}},
    {ML,
     {"TreeEnsembleClassifier",
      TREE_NODES "class_ids class_nodeids class_treeids class_weights class_weights_as_tensor classlabels_int64s "
                 "classlabels_strings ",
      adze_onnx_ml_tree_classifier}},
    {ML,
     {"TreeEnsembleRegressor",
      TREE_NODES "aggregate_function n_targets target_ids target_nodeids target_treeids target_weights "
                 "target_weights_as_tensor ",
      adze_onnx_ml_tree_regressor}},
    {ML, {"ZipMap", " classlabels_int64s classlabels_strings ", adze_onnx_ml_zip_map}},
    {PREVIEW, {"FlexAttention", " prob_mod scale score_mod softmax_precision ", adze_onnx_flex_attention}},
    {TRAINING, {"Adagrad", " decay_factor epsilon norm_coefficient ", adze_onnx_training_adagrad}},
    {TRAINING, {"Adam", " alpha beta epsilon norm_coefficient norm_coefficient_post ", adze_onnx_training_adam}},
    {TRAINING, {"Gradient", " xs y zs ", adze_onnx_training_gradient}},
    {TRAINING, {"Momentum", " alpha beta mode norm_coefficient ", adze_onnx_training_momentum}},
};

const adze_onnx_upgrade *adze_onnx_upgrade_find_in(const char *domain, const char *op_type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].domain, domain) && !strcmp(rows[i].upgrade.op_type, op_type)) return &rows[i].upgrade;
    return NULL;
}

int64_t adze_onnx_domain_version(const char *domain)
{
    static const struct {
        const char *domain;
        int64_t version;
    } known[] = {{ML, 5}, {PREVIEW, 1}, {TRAINING, 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].domain, domain)) return known[i].version;
    return 0;
}
