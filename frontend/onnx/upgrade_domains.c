/* Ops of ONNX's other domains, and the one place that finds a form in any domain. What an op's older versions say
 * otherwise, its function tells by their attributes. Rows are sorted by name. */
#include "ml.h"

#include <stdlib.h>
#include <string.h>

#define TREE_NODES                                                                                                   \
    " nodes_falsenodeids nodes_featureids nodes_hitrates nodes_hitrates_as_tensor nodes_missing_value_tracks_true " \
    "nodes_modes nodes_nodeids nodes_treeids nodes_truenodeids nodes_values nodes_values_as_tensor base_values "    \
    "base_values_as_tensor post_transform "

static const adze_onnx_upgrade ml[] = {
    {"ArrayFeatureExtractor", NULL, adze_onnx_ml_array_feature_extractor},
    {"Binarizer", " threshold ", adze_onnx_ml_binarizer},
    {"CastMap", " cast_to map_form max_map ", adze_onnx_ml_cast_map},
    {"CategoryMapper", " cats_int64s cats_strings default_int64 default_string ", adze_onnx_ml_category_mapper},
    {"DictVectorizer", " int64_vocabulary string_vocabulary ", adze_onnx_ml_dict_vectorizer},
    {"FeatureVectorizer", " inputdimensions ", adze_onnx_ml_feature_vectorizer},
    {"Imputer", " imputed_value_floats imputed_value_int64s replaced_value_float replaced_value_int64 ",
     adze_onnx_ml_imputer},
    {"LabelEncoder",
     " classes_strings default_float default_int64 default_string default_tensor keys_floats keys_int64s "
     "keys_strings keys_tensor values_floats values_int64s values_strings values_tensor ",
     adze_onnx_ml_label_encoder},
    {"LinearClassifier", " classlabels_ints classlabels_strings coefficients intercepts multi_class post_transform ",
     adze_onnx_ml_linear_classifier},
    {"LinearRegressor", " coefficients intercepts post_transform targets ", adze_onnx_ml_linear_regressor},
    {"Normalizer", " norm ", adze_onnx_ml_normalizer},
    {"OneHotEncoder", " cats_int64s cats_strings zeros ", adze_onnx_ml_one_hot_encoder},
    {"SVMClassifier",
     " classlabels_ints classlabels_strings coefficients kernel_params kernel_type post_transform prob_a prob_b rho "
     "support_vectors vectors_per_class ",
     adze_onnx_ml_svm_classifier},
    {"SVMRegressor",
     " coefficients kernel_params kernel_type n_supports one_class post_transform rho support_vectors ",
     adze_onnx_ml_svm_regressor},
    {"Scaler", " offset scale ", adze_onnx_ml_scaler},
    {"TreeEnsemble",
     " aggregate_function leaf_targetids leaf_weights membership_values n_targets nodes_falseleafs "
     "nodes_falsenodeids nodes_featureids nodes_hitrates nodes_missing_value_tracks_true nodes_modes nodes_splits "
     "nodes_trueleafs nodes_truenodeids post_transform tree_roots ",
     adze_onnx_ml_tree_ensemble},
    {"TreeEnsembleClassifier",
     TREE_NODES "class_ids class_nodeids class_treeids class_weights class_weights_as_tensor classlabels_int64s "
                "classlabels_strings ",
     adze_onnx_ml_tree_classifier},
    {"TreeEnsembleRegressor",
     TREE_NODES "aggregate_function n_targets target_ids target_nodeids target_treeids target_weights "
                "target_weights_as_tensor ",
     adze_onnx_ml_tree_regressor},
    {"ZipMap", " classlabels_int64s classlabels_strings ", adze_onnx_ml_zip_map},
};

static const adze_onnx_upgrade preview[] = {
    {"FlexAttention", " prob_mod scale score_mod softmax_precision ", adze_onnx_flex_attention},
};

static const adze_onnx_upgrade training[] = {
    {"Adagrad", " decay_factor epsilon norm_coefficient ", adze_onnx_training_adagrad},
    {"Adam", " alpha beta epsilon norm_coefficient norm_coefficient_post ", adze_onnx_training_adam},
    {"Gradient", " xs y zs ", adze_onnx_training_gradient},
    {"Momentum", " alpha beta mode norm_coefficient ", adze_onnx_training_momentum},
};

static const adze_onnx_upgrades others[] = {
    {"ai.onnx.ml", 5, ml, sizeof ml / sizeof *ml},
    {"ai.onnx.preview", 1, preview, sizeof preview / sizeof *preview},
    {"ai.onnx.preview.training", 1, training, sizeof training / sizeof *training},
};

const adze_onnx_upgrades *adze_onnx_upgrades_get(uint32_t index)
{
    const uint32_t n = sizeof others / sizeof *others;
    if (index == 0) return &adze_onnx_upgrades_standard;
    if (index == 1) return &adze_onnx_contrib;
    return index - 2 < n ? &others[index - 2] : NULL;
}

const adze_onnx_upgrades *adze_onnx_upgrades_of(const char *domain)
{
    const adze_onnx_upgrades *table;
    for (uint32_t i = 0; (table = adze_onnx_upgrades_get(i)) && strcmp(table->domain, domain) != 0; i++) {
    }
    return table;
}

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const adze_onnx_upgrade *)row)->op_type);
}

const adze_onnx_upgrade *adze_onnx_upgrade_find(const char *domain, const char *op_type)
{
    const adze_onnx_upgrades *table = adze_onnx_upgrades_of(domain);
    return table ? bsearch(op_type, table->rows, table->count, sizeof *table->rows, compare) : NULL;
}
