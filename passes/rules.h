/* Rewrite rules: their parsed form, and how passes apply them. The text is described in
 * docs/design/rules.md.
 *
 *     rule NAME EXACT|FAST { ops to find } => { ops to put there } | %value
 */
#ifndef ADZE_RULES_H
#define ADZE_RULES_H

#include <adze/arena.h>
#include <adze/build.h>
#include <adze/registry.h>

enum { ADZE_RULE_MAX_VARS = 48, ADZE_RULE_MAX_OPS = 16, ADZE_RULE_MAX_TERMS = 12 };

/* What a variable holds once bound, a literal states, or a function gives. */
typedef enum adze_bound_kind { ADZE_BOUND_NOTHING, ADZE_BOUND_VALUE, ADZE_BOUND_ATTR } adze_bound_kind;
typedef struct adze_bound {
    adze_bound_kind kind;
    adze_ir_value *value; /* VALUE; NULL = absent operand */
    adze_attr_kind attr_kind;
    bool absent; /* ATTR: not written and without a default */
    adze_slot slot;
} adze_bound;

/* State of one match, as predicates and functions see it. */
typedef struct adze_rule_scope {
    adze_context *context;
    adze_module *module;
    adze_arena *arena; /* for slots that functions make; lives as long as the rewrite */
    adze_op *root;     /* the op that the rule would replace */
} adze_rule_scope;

typedef struct adze_rule_predicate {
    const char *name;
    uint8_t min_args, max_args;
    bool (*holds)(const adze_rule_scope *scope, const adze_bound *args, uint32_t n);
} adze_rule_predicate;

/* Makes an attribute or a constant operand. False: the rule does not apply. */
typedef struct adze_rule_function {
    const char *name;
    uint8_t min_args, max_args;
    bool (*make)(const adze_rule_scope *scope, const adze_bound *args, uint32_t n, adze_bound *out);
} adze_rule_function;

/* rule_predicates.c, rule_functions.c; NULL if there is none of that name. */
const adze_rule_predicate *adze_rule_find_predicate(const char *name);
const adze_rule_function *adze_rule_find_function(const char *name);

typedef enum adze_term_kind {
    ADZE_TERM_VAR,      /* %x or $c */
    ADZE_TERM_OPTIONAL, /* %x?: may be absent */
    ADZE_TERM_ABSENT,   /* _ */
    ADZE_TERM_LITERAL,
    ADZE_TERM_CALL
} adze_term_kind;

typedef struct adze_term {
    adze_term_kind kind;
    uint32_t var;
    adze_bound literal;
    const adze_rule_function *function;
    struct adze_term *args;
    uint32_t n_args;
} adze_term;

typedef struct adze_rule_attr {
    int index; /* in the op's row */
    adze_term value;
} adze_rule_attr;

typedef struct adze_rule_op {
    const adze_op_row *row; /* NULL: any op */
    uint32_t result;        /* variable */
    adze_term operands[ADZE_RULE_MAX_TERMS];
    uint32_t n_operands;
    bool any_operands; /* further ones do not matter */
    adze_rule_attr attrs[ADZE_RULE_MAX_TERMS];
    uint32_t n_attrs;
    bool any_attrs; /* attributes that are not named do not matter, otherwise they have their default */
    int like;       /* replacement: the found op (its variable) that gives all other attributes, or -1 */
    int type_of;    /* replacement: the variable whose type the result has, or -1 = inferred */
} adze_rule_op;

typedef struct adze_rule_condition {
    const adze_rule_predicate *predicate;
    bool negated;
    adze_term args[ADZE_RULE_MAX_TERMS];
    uint32_t n_args;
} adze_rule_condition;

/* One line of a rule's tests: types and values of its variables. */
typedef struct adze_rule_binding {
    uint32_t var;
    const adze_type *type; /* NULL = none given */
    adze_term value;       /* ABSENT where none was given for a value */
    bool has_value;
} adze_rule_binding;
typedef struct adze_rule_test {
    adze_rule_binding bindings[ADZE_RULE_MAX_VARS];
    uint32_t n_bindings;
    const adze_op_row *any; /* what `*` stands for */
    adze_loc loc;
    struct adze_rule_test *next;
} adze_rule_test;

typedef struct adze_rule {
    const char *name;
    adze_numerics numerics; /* EXACT or FAST */
    adze_loc loc;
    const char *text; /* in that of the set: from the comment above the rule to its last test */
    size_t size;
    const char *vars[ADZE_RULE_MAX_VARS]; /* with their sigil */
    int defined_by[ADZE_RULE_MAX_VARS];   /* search op, or -1 */
    uint32_t n_vars;
    adze_rule_op search[ADZE_RULE_MAX_OPS]; /* the last one is the root */
    uint32_t n_search;
    adze_rule_condition conditions[ADZE_RULE_MAX_TERMS];
    uint32_t n_conditions;
    adze_rule_op replace[ADZE_RULE_MAX_OPS];
    uint32_t n_replace; /* 0: the root's uses go to `with` */
    adze_term with;
    adze_rule_test *tests;
    struct adze_rule *next;
} adze_rule;

typedef struct adze_rules {
    const char *name;
    const char *pass; /* the pass that applies them: canonicalize unless the text says otherwise */
    adze_rule *first;
} adze_rules;

/* rule_parse.c: NULL after errors with file (the set's name), line and column. */
const adze_rules *adze_rules_parse(adze_context *context, adze_arena *arena, const char *name,
                                   const char *text);

/* rule_match.c: `bound` has ADZE_RULE_MAX_VARS entries. Conditions hold, too. */
bool adze_rule_match(const adze_rule *rule, const adze_rule_scope *scope, adze_bound *bound);

/* rule_apply.c: replaces `root` where the rule matches; UNCHANGED where it does not, or where the replacement is not
 * wanted. `self` is NULL outside of passes. */
adze_outcome adze_rule_apply(const adze_rule *rule, adze_op *root, adze_arena *arena, adze_pass_run *self);

/* rule_test.c: runs every test of a rule set: the rule must match, and both sides must agree on nasty values
 * (bit by bit if EXACT). Reports each failure; gives the number of tests and failures. */
typedef struct adze_rules_report {
    uint32_t tests, failures, rules_without_test;
} adze_rules_report;
adze_rules_report adze_rules_test(adze_context *context, const adze_rules *rules);

/* Where the part to find of a rule's test is built among other ops. */
typedef struct adze_rule_site {
    adze_builder builder;
    /* A value for what the test leaves open; NULL: there is none. */
    adze_ir_value *(*input)(void *self, const adze_type *type);
    void *self;
    uint64_t seed;    /* of constants, whose floats are in [0.5, 2] where the test does not say */
    adze_dtype real;  /* in the place of f32, where that is what the test says; NONE = as it says */
} adze_rule_site;
/* Builds it; the root, or NULL after an error, and then ops may be left above the builder's place. */
adze_op *adze_rule_build(const adze_rule *rule, const adze_rule_test *test, const adze_rule_site *site);

#endif
