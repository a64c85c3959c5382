// label: values without a name get one, after the op that makes them: relu, relu_2, relu_3, …
//
// A pass in C++17. Adze calls it through C, so no exception may leave it, and its descriptor is a constant.
#include <adze/plugin.h>

#include <exception>
#include <functional>
#include <set>
#include <string>

namespace {

struct options {
    const char *prefix;
};

// Calls `visit` for each op, those in regions too.
void walk(adze_region *region, const std::function<void(adze_op *)> &visit)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        visit(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) walk(adze_op_region(op, i), visit);
    }
}

bool label(adze_func *func, const std::string &prefix)
{
    std::set<std::string> taken;
    const auto note = [&](const adze_ir_value *value) {
        if (const char *name = adze_value_name(value)) taken.insert(name);
    };
    for (uint32_t i = 0; i < adze_region_num_args(adze_func_body(func)); i++)
        note(adze_region_arg(adze_func_body(func), i));
    walk(adze_func_body(func), [&](adze_op *op) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) note(adze_op_result(op, i));
    });
    const auto fresh = [&](const std::string &stem) {
        std::string name = stem;
        for (int n = 2; !taken.insert(name).second; n++) name = stem + "_" + std::to_string(n);
        return name;
    };
    bool changed = false;
    walk(adze_func_body(func), [&](adze_op *op) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) {
            if (adze_value_name(adze_op_result(op, i))) continue;
            adze_value_set_name(adze_op_result(op, i), fresh(prefix + adze_op_name(op)).c_str());
            changed = true;
        }
    });
    return changed;
}

adze_outcome run(adze_func *func, const void *given, adze_pass_run *self)
{
    try {
        const char *prefix = static_cast<const options *>(given)->prefix;
        return label(func, prefix ? prefix : "") ? ADZE_CHANGED : ADZE_UNCHANGED;
    } catch (const std::exception &e) {
        adze_error(adze_loc_unknown(self->context), "label: %s", e.what());
        return ADZE_FAILED;
    }
}

// Structs as constants. C++20 may write them as C does: {.struct_size = sizeof(adze_pass), .name = "label", …}
const adze_option option_rows[] = {
    {"prefix", "what names begin with", ADZE_OPTION_STR, offsetof(options, prefix), nullptr},
};

constexpr adze_pass pass = [] {
    adze_pass p{};
    p.struct_size = sizeof p;
    p.name = "label";
    p.help = "name values after the op that makes them";
    p.options = option_rows;
    p.n_options = 1;
    p.options_size = sizeof(options);
    p.run = run;
    return p;
}();

const adze_pass *const passes[] = {&pass, nullptr};

constexpr adze_plugin describe()
{
    adze_plugin p{};
    p.magic = ADZE_PLUGIN_MAGIC;
    p.abi = ADZE_ABI;
    p.struct_size = sizeof p;
    p.name = "label";
    p.version = "1";
    p.passes = passes;
    return p;
}

} // namespace

// C's name and visibility come from plugin.h.
const adze_plugin adze_plugin_descriptor = describe();
