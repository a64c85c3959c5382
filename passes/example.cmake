# Cuts the example out of a pass's lit test: what stands between the lines `// EXAMPLE` and `// END EXAMPLE`, without
# comments that are directives of FileCheck. Nothing where there are no such lines; test/tools/help.test finds those.
#
#   cmake -DTEST=dce.adz -DOUTPUT=dce.example -P example.cmake
cmake_minimum_required(VERSION 3.25)
file(READ ${TEST} text)
string(FIND "${text}" "\n// EXAMPLE\n" begin)
string(FIND "${text}" "\n// END EXAMPLE\n" end)
if(begin LESS 0 OR end LESS begin)
  file(WRITE ${OUTPUT} "")
  return()
endif()
string(LENGTH "\n// EXAMPLE\n" head)
math(EXPR begin "${begin} + ${head}")
math(EXPR size "${end} + 1 - ${begin}")
string(SUBSTRING "${text}" ${begin} ${size} text)
# Directives that follow each other need one replacement each: the line break before them is part of the match.
string(REGEX REPLACE "\n *//[^\n]? [A-Z0-9_]+[-A-Z0-9_{}]*:[^\n]*" "" text "\n${text}")
string(SUBSTRING "${text}" 1 -1 text)
file(WRITE ${OUTPUT} "${text}")
