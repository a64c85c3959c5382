/* The IR: contexts, dims, types, constants, values, ops, regions, functions and modules. Includes the headers of all
 * of these; what holds for all of them stands in context.h. */
#ifndef ADZE_IR_H
#define ADZE_IR_H

#include <adze/build.h>
#include <adze/code.h>
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
