/* The IR: contexts, dims, types, constants, values, ops, regions, functions and modules.
 *
 * Handles are opaque. A context owns what is interned (dims, types, strings); a module owns its
 * functions, ops, values and constants and frees them whole. Names say who owns: create/destroy own,
 * get borrows. A context, with everything made through it, is used by one thread at a time.
 * Functions that return a pointer return NULL on failure after reporting to the context's sink, unless
 * they say otherwise. Index arguments out of range are a broken invariant (assert).
 */
#ifndef ADZE_IR_H
#define ADZE_IR_H

#include <adze/build.h>
#include <adze/context.h>
#include <adze/data.h>
#include <adze/dim.h>
#include <adze/interp.h>
#include <adze/module.h>
#include <adze/op.h>
#include <adze/row.h>
#include <adze/text.h>
#include <adze/type.h>

#endif
